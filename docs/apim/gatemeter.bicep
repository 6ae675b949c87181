// Everything between an API Management service and Gatemeter: event hub, consumer group, roles, logger, diagnostic
// setting, the switch for LLM logs and the policy fragments. No secret is in it: API Management sends as its managed
// identity, ingest receives as its own.
//
//   az deployment group create --resource-group RG --template-file gatemeter.bicep \
//     --parameters apimName=contoso-apim namespaceName=contoso-gatemeter ingestPrincipalId=OBJECT_ID
//
// The service must exist, in this resource group and in the region of the namespace (Azure Monitor requires it), with
// its system-assigned identity switched on.

@description('Name of the API Management service.')
param apimName string

@description('Name of the Event Hubs namespace to create.')
param namespaceName string

@description('Object id of the identity that ingest runs as.')
param ingestPrincipalId string

@description('Names of the APIs whose tokens are logged. Every other API is logged without tokens.')
param apiNames array = []

@description('Partitions of the hub; bounds how many workers can share the work.')
@minValue(1)
@maxValue(32)
param partitionCount int = 4

@description('Hours that the hub keeps messages; longer than ingest may ever be down.')
@minValue(24)
@maxValue(168)
param retentionHours int = 168

var hubName = 'gateway-logs'
var roles = {
  receiver: 'a638d3c7-ab3a-418d-83e6-5f17a39d4fde' // Azure Event Hubs Data Receiver
  sender: '2b629674-e913-4c01-ae53-ef4638d8f975' // Azure Event Hubs Data Sender
}
var fragments = [
  { name: 'gatemeter-request', value: loadTextContent('gatemeter-request.fragment.xml') }
  { name: 'gatemeter-include-usage', value: loadTextContent('gatemeter-include-usage.fragment.xml') }
  { name: 'gatemeter-call', value: loadTextContent('gatemeter-call.fragment.xml') }
]

resource apim 'Microsoft.ApiManagement/service@2022-08-01' existing = {
  name: apimName
}

resource namespace 'Microsoft.EventHub/namespaces@2024-01-01' = {
  name: namespaceName
  location: apim.location
  sku: { name: 'Standard', tier: 'Standard', capacity: 1 }
  properties: { isAutoInflateEnabled: true, maximumThroughputUnits: 4, minimumTlsVersion: '1.2' }
}

resource hub 'Microsoft.EventHub/namespaces/eventhubs@2024-01-01' = {
  parent: namespace
  name: hubName
  properties: {
    partitionCount: partitionCount
    retentionDescription: { cleanupPolicy: 'Delete', retentionTimeInHours: retentionHours }
  }
}

resource consumerGroup 'Microsoft.EventHub/namespaces/eventhubs/consumergroups@2024-01-01' = {
  parent: hub
  name: 'gatemeter'
}

// A diagnostic setting cannot send as a managed identity; Azure Monitor keeps the rule's key, nobody reads it.
resource diagnosticsRule 'Microsoft.EventHub/namespaces/authorizationRules@2024-01-01' = {
  parent: namespace
  name: 'azure-monitor'
  properties: { rights: [ 'Listen', 'Manage', 'Send' ] }
}

resource sender 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: hub
  name: guid(hub.id, apim.id, roles.sender)
  properties: {
    principalId: apim.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.sender)
  }
}

resource receiver 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: hub
  name: guid(hub.id, ingestPrincipalId, roles.receiver)
  properties: {
    principalId: ingestPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.receiver)
  }
}

resource setting 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: apim
  name: 'gatemeter'
  properties: {
    eventHubAuthorizationRuleId: diagnosticsRule.id
    eventHubName: hub.name
    logs: [
      { category: 'GatewayLogs', enabled: true }
      { category: 'GatewayLlmLogs', enabled: true }
    ]
  }
}

resource logger 'Microsoft.ApiManagement/service/loggers@2022-08-01' = {
  parent: apim
  name: 'gatemeter'
  dependsOn: [ sender ]
  properties: {
    loggerType: 'azureEventHub'
    credentials: {
      endpointAddress: '${namespace.name}.servicebus.windows.net'
      identityClientId: 'SystemAssigned'
      name: hub.name
    }
  }
}

resource azureMonitor 'Microsoft.ApiManagement/service/loggers@2024-06-01-preview' existing = {
  parent: apim
  name: 'azuremonitor'
}

resource apis 'Microsoft.ApiManagement/service/apis@2024-06-01-preview' existing = [
  for name in apiNames: {
    parent: apim
    name: name
  }
]

// Without `requests` and `responses`: they would log prompts and answers. All calls: a lower percentage leaves calls
// out, and nothing marks it.
resource tokens 'Microsoft.ApiManagement/service/apis/diagnostics@2024-06-01-preview' = [
  for (name, index) in apiNames: {
    parent: apis[index]
    name: 'azuremonitor'
    properties: {
      loggerId: azureMonitor.id
      alwaysLog: 'allErrors'
      sampling: { samplingType: 'fixed', percentage: 100 }
      largeLanguageModel: { logs: 'enabled' }
      frontend: { request: { headers: [ 'x-kong-request-id', 'x-ms-client-request-id' ] } }
    }
  }
]

resource policyFragments 'Microsoft.ApiManagement/service/policyFragments@2022-08-01' = [
  for fragment in fragments: {
    parent: apim
    name: fragment.name
    properties: { format: 'xml', value: fragment.value }
    dependsOn: [ logger ]
  }
]

@description('For ingest: EVENT_HUB_NAMESPACE.')
output eventHubNamespace string = '${namespace.name}.servicebus.windows.net'

@description('For ingest: EVENT_HUB_CONSUMER_GROUP.')
output consumerGroupName string = consumerGroup.name

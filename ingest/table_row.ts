import type { Envelope } from './format.ts';
import { isObject, Reader, type Json, type JsonObject } from './reader.ts';

/** Columns that every row of Log Analytics has, or that say nothing of a call; lower case. */
const common = new Set(
  (
    'tenantid sourcesystem type mg managementgroupname computer rawdata category operationname operationversion level ' +
    'level_d resourcegroup resourceprovider resourcetype resource subscriptionid subscription_id resulttype ' +
    'resultsignature resultdescription _timereceived _isbillable _billedsize _itemid _subscriptionid deploymentversion ' +
    'deploymentversion_s sku sku_s isrequestsuccess isrequestsuccess_b tenant_s event_s httpstatuscodecategory_s'
  ).split(' '),
);

/** Members of a resource log's `properties` by the columns that hold them; the suffix is AzureDiagnostics' type of it. */
const suffixes = ['', '_s', '_d', '_b', '_g', '_t'];

/**
 * A row of a dedicated table (PascalCase) or of AzureDiagnostics (`name_s`, `name_d`) as the resource log that it was
 * made of, so that the decoder of the log reads both. `members` are the names inside `properties`; a dot stands for an
 * object inside it, which tables flatten (`lastError.reason` is LastErrorReason or lastError_reason_s).
 * Source: Azure Monitor reference, tables ApiManagementGatewayLogs and ApiManagementGatewayLlmLog.
 */
export function resourceLog(row: Reader, members: readonly string[]): JsonObject {
  const properties: JsonObject = {};
  for (const member of members) {
    const [name = '', inside] = member.split('.');
    const value = first(row, inside === undefined ? [name] : [`${name}${inside}`, `${name}_${inside}`]);
    if (value === null) continue;
    if (inside === undefined) properties[name] = value;
    else properties[name] = { ...(properties[name] as JsonObject | undefined), [inside]: value };
  }
  return {
    time: first(row, ['TimeGenerated', 'Timestamp', 'time']),
    resourceId: first(row, ['_ResourceId', 'ResourceId', 'Resource']),
    correlationId: first(row, ['CorrelationId']),
    durationMs: first(row, ['TotalTime', 'DurationMs']),
    location: first(row, ['Region', 'Location']),
    callerIpAddress: first(row, ['CallerIpAddress']),
    truncated: first(row, ['truncated']),
    properties,
  };
}

/** Columns of the row that are set and that no decoder asked for. */
export function unknownColumns(row: Reader, unwanted: ReadonlySet<string>): string[] {
  const unknown = row.unknown(new Set([...common, ...unwanted]));
  // AzureDiagnostics has the columns of every service, empty in the rows of all others.
  return unknown.filter((name) => (row.peek(name) ?? '') !== '');
}

/** Whether a row is of this table, or of AzureDiagnostics and this category, or at least has these columns. */
export function isRowOf(row: Reader, table: string, category: string, columns: readonly string[]): boolean {
  if (!row.has('TimeGenerated') || row.has('properties')) return false;
  if (lower(row.peek('Type')) === table.toLowerCase()) return true;
  if (typeof row.peek('Category') === 'string') return lower(row.peek('Category')) === category.toLowerCase();
  if (row.has('Type') && lower(row.peek('Type')) !== 'azurediagnostics') return false;
  const named = columns.some((name) => suffixes.some((suffix) => row.has(`${name}${suffix}`)));
  return named && suffixes.some((suffix) => row.has(`CorrelationId${suffix}`));
}

/** An answer of the query API, also as its SDK gives it, to one object per row. */
export const queryResponse: Envelope = (message) => {
  const whole = new Reader(message);
  const result = whole.peek('result');
  const tables = isObject(result) ? new Reader(result).peek('tables') : whole.peek('tables');
  if (!Array.isArray(tables) || tables.length === 0 || !tables.every(isTable)) return null;
  return tables.flatMap((table) => {
    const names = columnsOf(table).map((column) => {
      const name = isObject(column) ? column['name'] : column;
      return typeof name === 'string' ? name : '';
    });
    const rows = table['rows'];
    return (Array.isArray(rows) ? rows : []).map((row): Json => {
      // A row that is no list of its table's cells is no record, and is kept as it stands.
      if (!Array.isArray(row) || row.length !== names.length) return row;
      return Object.fromEntries(names.map((name, index) => [name, row[index] ?? null]));
    });
  });
};

function isTable(table: Json): table is JsonObject {
  return isObject(table) && Array.isArray(table['rows']) && columnsOf(table).length > 0;
}

function columnsOf(table: JsonObject): Json[] {
  const columns = table['columnDescriptors'] ?? table['columns'];
  return Array.isArray(columns) ? columns : [];
}

/** The first of the columns that has a value. All are looked at, so that each is known. */
function first(row: Reader, names: readonly string[]): Json {
  let found: Json = null;
  for (const name of names) {
    for (const suffix of suffixes) {
      const value = row.value(`${name}${suffix}`) ?? null;
      if (found === null && value !== '') found = value;
    }
  }
  return found;
}

function lower(value: Json | undefined): string {
  return typeof value === 'string' ? value.toLowerCase() : '';
}

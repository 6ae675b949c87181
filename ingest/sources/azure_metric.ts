import { noFields, type Event } from '../event.ts';
import type { Format } from '../format.ts';
import type { Reader } from '../reader.ts';
import { placeOf, regionName, timeOf } from './azure_resource.ts';

const source = 'azure_metric';

const aggregations = ['total', 'count', 'minimum', 'maximum', 'average'] as const;

export const azureMetric: Format = {
  source,
  recognises: (record) => record.has('metricName') && !record.has('category'),
  decode,
};

const ignored = new Set(['timegrain', 'resourceid', 'unit']);

/**
 * Platform metrics of a diagnostic setting: one record per metric and minute, without a category and without
 * dimensions, which only those that are polled have. Among them are the events that API Management lost on the way to the hub (`EventHubDroppedEvents`), and
 * the latencies and capacity of endpoints. The unit is the metric's; `started_at` is the start of the minute.
 * Source: MicrosoftDocs/azure-monitor-docs, stream-monitoring-data-event-hubs.md.
 */
function decode(record: Reader): Event {
  const event_name = record.text('metricName');
  if (event_name === '') record.fail('wrong_type', 'metricName is empty');
  const measurements: Record<string, number> = {};
  for (const name of aggregations) {
    const value = measured(record, name);
    if (value !== null) measurements[name] = value;
  }
  if (Object.keys(measurements).length === 0) record.fail('wrong_type', 'none of the aggregations is there');
  const place = placeOf(record.text('resourceId'));
  const dimensions = record.object('dimensions');
  const fields = {
    ...noFields,
    ...place,
    ...(dimensions === null ? {} : dimensionFields(dimensions, place.deployment)),
    started_at: timeOf(record),
    event_name,
    measurements,
  };
  if (dimensions?.problem) record.fail(dimensions.problem.reason, dimensions.problem.detail);
  if (record.problem) return { kind: 'rejected', source, ...record.problem };
  return { kind: 'metric', source, fields, unknown_fields: record.unknown(ignored) };
}

/** What a value that was polled is of; the state of an instance is the one word that tells two values apart. */
function dimensionFields(dimensions: Reader, deployment: string) {
  return {
    deployment: dimensions.text('ModelDeploymentName') || dimensions.text('deployment') || deployment,
    response_model: dimensions.text('ModelName'),
    model_version: dimensions.text('ModelVersion'),
    region: regionName(dimensions.text('Location') || dimensions.text('Region')),
    instance_id: dimensions.text('instanceId'),
    event_reason: dimensions.text('State'),
  };
}

/** A finite number, negative and fractional ones too, also as digits in a text; absent is null. */
function measured(record: Reader, name: string): number | null {
  const value = record.value(name);
  if (value === undefined || value === null || value === '') return null;
  const number = typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value.trim()) ? Number(value) : value;
  if (typeof number === 'number' && Number.isFinite(number)) return number;
  record.fail('wrong_type', `${name} is not a number`);
  return null;
}

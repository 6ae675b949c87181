/**
 * Columns that Stream Analytics adds to an event that it passes on; they say when and where the event was read and
 * nothing of the call. Lower case. Source: Azure Stream Analytics, Event Hubs as input.
 */
export const captureColumns = ['eventprocessedutctime', 'partitionid', 'eventenqueuedutctime'] as const;

/**
 * The normalised event: what one log record says, before records of the same call are merged. Names are the columns of
 * `events`. A missing number is null, a missing text is '' (no dimension has a meaningful empty value).
 */
export type Fields = {
  /** As `callId` makes it; '' where the record is of no call. */
  call_id: string;
  /** Ids under which other systems log the same call, as `callId` makes them: a gateway in front, a back end behind. */
  linked_ids: readonly string[];
  gateway: string;
  /** UTC, `YYYY-MM-DD hh:mm:ss.mmm`. */
  started_at: string | null;
  consumer_id: string;
  product_id: string;
  api_id: string;
  operation_id: string;
  operation_name: string;
  provider_name: string;
  request_model: string;
  response_model: string;
  response_id: string;
  deployment: string;
  backend: string;
  region: string;
  service_tier: string;
  user_id: string;
  error_type: string;
  /** `hit`, `miss` or ''. */
  cache_status: string;
  model_version: string;
  /** A/B arm, route or pool member that the gateway chose. */
  routing_label: string;
  moderation_outcome: '' | 'passed' | 'annotated' | 'blocked';
  /** The worst category of a content filter, by the filter's own name: `hate`, `jailbreak`. */
  moderation_category: string;
  moderation_severity: '' | 'safe' | 'low' | 'medium' | 'high';
  /** Whose limit refused or slowed the call. */
  throttled_by: '' | 'rate_limit' | 'quota' | 'token_limit' | 'backend' | 'bandwidth';
  /** The caller's network, /24 or /48: an address is a person, a network is enough to see that a key moved. */
  client_network: string;
  /** The instance of a back end that answered, or that a lifecycle event is about. */
  instance_id: string;
  /** Lifecycle and metric records only: what happened or was measured, as the source names it. */
  event_name: string;
  /** Lifecycle records only: why, in one short word, or which part of the instance. */
  event_reason: string;
  http_response_status_code: number | null;
  backend_response_status_code: number | null;
  request_stream: boolean | null;
  duration_ms: number | null;
  backend_ms: number | null;
  client_ms: number | null;
  time_to_first_token_ms: number | null;
  request_bytes: number | null;
  response_bytes: number | null;
  /** How often a back end was asked for this call; 1 is no retry. */
  attempts: number | null;
  /** Time that a limit made the call wait. */
  throttled_ms: number | null;
  quota_remaining_tokens: number | null;
  /** The gateway says that it cut its own record. */
  truncated: boolean | null;
  /** Share of the calls that this log mentions, in (0, 1]; null where it does not say. */
  sample_fraction: number | null;
  /** Metric records only: total, count, minimum, maximum, average as the source has them. */
  measurements: Readonly<Record<string, number>>;
} & Usage;

/** More attempts than any gateway makes, and no more than the column holds: a list that is longer says nothing. */
export const attemptsMax = 1_000;

/** Tokens by kind. The kinds are disjoint: cached input is not in `usage_input_tokens`, reasoning not in output. */
export type Usage = {
  usage_input_tokens: number | null;
  usage_cache_read_input_tokens: number | null;
  usage_cache_creation_5m_input_tokens: number | null;
  usage_cache_creation_1h_input_tokens: number | null;
  usage_audio_input_tokens: number | null;
  usage_output_tokens: number | null;
  usage_reasoning_output_tokens: number | null;
  usage_audio_output_tokens: number | null;
  /** As the source states it; where the kinds do not add up to it, the call is flagged. */
  usage_total_tokens: number | null;
  usage_quality: Quality;
};

/** How the tokens are known; '' where the record is not about usage. */
export type Quality = '' | 'exact' | 'estimated' | 'partial' | 'missing';

/** A format, as the column `source` and the labels name it. */
type Source = string;

/** Unwanted on purpose; counted, not kept. */
type DropReason = 'no_records' | 'probe' | 'message_text' | 'not_a_call' | 'personal_data' | 'placeholder' | 'console';

/** Not understood; kept with its bytes. */
export type RejectReason =
  | 'empty'
  | 'not_utf8'
  | 'not_json'
  | 'truncated'
  | 'not_an_object'
  | 'too_many_records'
  | 'unknown_format'
  | 'unknown_category'
  | 'missing_correlation_id'
  | 'missing_time'
  | 'wrong_type'
  | 'negative_number'
  | 'number_out_of_range'
  | 'time_out_of_range'
  | 'text_too_long'
  | 'decoder_failed';

/** What a record was decoded to. */
export type Event =
  | {
      readonly kind: 'call' | 'gateway' | 'usage' | 'backend' | 'lifecycle' | 'metric';
      readonly source: Source;
      readonly fields: Fields;
      readonly unknown_fields: readonly string[];
    }
  | {
      readonly kind: 'dropped';
      readonly source: Source;
      readonly reason: DropReason;
      readonly call_id: string;
      /** Of a part of a call's messages its place among them, so that a missing part is seen. */
      readonly chunk?: number;
    }
  | { readonly kind: 'rejected'; readonly source: Source; readonly reason: RejectReason; readonly detail: string };

export const noUsage: Usage = {
  usage_input_tokens: null,
  usage_cache_read_input_tokens: null,
  usage_cache_creation_5m_input_tokens: null,
  usage_cache_creation_1h_input_tokens: null,
  usage_audio_input_tokens: null,
  usage_output_tokens: null,
  usage_reasoning_output_tokens: null,
  usage_audio_output_tokens: null,
  usage_total_tokens: null,
  usage_quality: '',
};

/** A record that says nothing yet; decoders spread over it, so that a forgotten field is unset and never undefined. */
export const noFields: Fields = {
  call_id: '',
  linked_ids: [],
  gateway: '',
  started_at: null,
  consumer_id: '',
  product_id: '',
  api_id: '',
  operation_id: '',
  operation_name: '',
  provider_name: '',
  request_model: '',
  response_model: '',
  response_id: '',
  deployment: '',
  backend: '',
  region: '',
  service_tier: '',
  user_id: '',
  error_type: '',
  cache_status: '',
  model_version: '',
  routing_label: '',
  moderation_outcome: '',
  moderation_category: '',
  moderation_severity: '',
  throttled_by: '',
  client_network: '',
  instance_id: '',
  event_name: '',
  event_reason: '',
  http_response_status_code: null,
  backend_response_status_code: null,
  request_stream: null,
  duration_ms: null,
  backend_ms: null,
  client_ms: null,
  time_to_first_token_ms: null,
  request_bytes: null,
  response_bytes: null,
  attempts: null,
  throttled_ms: null,
  quota_remaining_tokens: null,
  truncated: null,
  sample_fraction: null,
  measurements: {},
  ...noUsage,
};

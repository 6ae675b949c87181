/**
 * The normalised event: what one log record says, before records of the same call are merged. Names are the columns of
 * `events`. A missing number is null, a missing text is '' (no dimension has a meaningful empty value).
 */
export type Fields = {
  /** gateway/correlation id; '' where the record is of no call. */
  call_id: string;
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
  cache_status: string;
  http_response_status_code: number | null;
  backend_response_status_code: number | null;
  request_stream: boolean | null;
  duration_ms: number | null;
  backend_ms: number | null;
  client_ms: number | null;
  time_to_first_token_ms: number | null;
  request_bytes: number | null;
  response_bytes: number | null;
} & Usage;

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

/** The decoders, as the column `source` and the labels name them. */
type Source = 'apim_gateway' | 'apim_llm' | 'apim_policy' | 'apim_policy_minimal';

/** Unwanted on purpose; counted, not kept. */
type DropReason = 'no_records' | 'probe' | 'message_text';

/** Not understood; kept with its bytes. */
export type RejectReason =
  | 'empty'
  | 'not_utf8'
  | 'not_json'
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
      readonly kind: 'call' | 'gateway' | 'usage';
      readonly source: Source;
      readonly fields: Fields;
      readonly unknown_fields: readonly string[];
    }
  | { readonly kind: 'dropped'; readonly source: Source | ''; readonly reason: DropReason; readonly call_id: string }
  | { readonly kind: 'rejected'; readonly source: Source | ''; readonly reason: RejectReason; readonly detail: string };

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
  http_response_status_code: null,
  backend_response_status_code: null,
  request_stream: null,
  duration_ms: null,
  backend_ms: null,
  client_ms: null,
  time_to_first_token_ms: null,
  request_bytes: null,
  response_bytes: null,
  ...noUsage,
};

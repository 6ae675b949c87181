/** Why a request failed, with the code and the name that a ClickHouse server would give. */
export type Failure = { readonly code: number; readonly name: string; readonly sentence: string };

/** A failure on its way to the client. */
export class DoorError extends Error {
  override name = 'DoorError';
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.sentence);
    this.failure = failure;
  }
}

/** The client has gone, or asked for its query to stop. */
export function cancelled(): DoorError {
  return new DoorError({ code: 394, name: 'QUERY_WAS_CANCELLED', sentence: 'Query was cancelled' });
}

/** Reads a message of the engine: `Code: 60. DB::Exception: sentence. (UNKNOWN_TABLE)`. */
export function failureFromEngine(message: string): Failure {
  const found = /^Code: (\d+)\. DB::Exception: (.*?)\s*\(([A-Z][A-Z0-9_]{2,})\)\s*$/s.exec(message);
  if (found === null) return { code: 1002, name: 'UNKNOWN_EXCEPTION', sentence: message };
  const [, code, sentence, name] = found as unknown as [string, string, string, string];
  return { code: Number(code), name, sentence };
}

/** The text of a failure as a server writes it, line break included. */
export function failureText({ code, name, sentence }: Failure, version: string): string {
  return `Code: ${code}. DB::Exception: ${sentence} (${name}) (version ${version} (official build))\n`;
}

const statusNames: Readonly<Record<number, string>> = {
  400: `BAD_ARGUMENTS CANNOT_COMPILE_REGEXP CANNOT_PARSE_TEXT CANNOT_PARSE_ESCAPE_SEQUENCE CANNOT_PARSE_QUOTED_STRING
    CANNOT_PARSE_DATE CANNOT_PARSE_DATETIME CANNOT_PARSE_NUMBER CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING CANNOT_PARSE_IPV4
    CANNOT_PARSE_IPV6 CANNOT_PARSE_INPUT_ASSERTION_FAILED CANNOT_PARSE_UUID DUPLICATE_COLUMN ILLEGAL_COLUMN
    UNKNOWN_ELEMENT_IN_AST UNKNOWN_TYPE_OF_AST_NODE THERE_IS_NO_COLUMN TOO_DEEP_AST TOO_BIG_AST
    UNEXPECTED_AST_STRUCTURE SYNTAX_ERROR INCORRECT_DATA TYPE_MISMATCH VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE`,
  401: 'REQUIRED_PASSWORD',
  403: 'UNKNOWN_USER WRONG_PASSWORD AUTHENTICATION_FAILED SET_NON_GRANTED_ROLE ACCESS_DENIED',
  404: `UNKNOWN_TABLE UNKNOWN_FUNCTION UNKNOWN_IDENTIFIER UNKNOWN_TYPE UNKNOWN_STORAGE UNKNOWN_DATABASE UNKNOWN_SETTING
    UNKNOWN_DIRECTION_OF_SORTING UNKNOWN_AGGREGATE_FUNCTION UNKNOWN_FORMAT UNKNOWN_DATABASE_ENGINE
    UNKNOWN_TYPE_OF_QUERY UNKNOWN_ROLE`,
  408: 'TIMEOUT_EXCEEDED',
  413: 'QUERY_IS_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  501: 'NOT_IMPLEMENTED',
  503: 'SOCKET_TIMEOUT CANNOT_OPEN_FILE CANNOT_SCHEDULE_TASK',
};
const statuses = new Map(
  Object.entries(statusNames).flatMap(([status, names]) => names.split(/\s+/).map((name) => [name, Number(status)])),
);

/** The HTTP status that a server gives for a failure. */
export function httpStatus({ name }: Failure): number {
  return statuses.get(name) ?? 500;
}

/** A name without its casing and separators: `requestBody`, `request_body` and `RequestBody` are one. */
function plain(name: string): string {
  // Of a dotted name the end says what it is: `gen_ai.input.messages`.
  const end = name.slice(name.lastIndexOf('.', name.length - 2) + 1);
  return end
    .slice(0, 128)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, '');
}

const texts = new Set(
  (
    'messages message content contents prompt prompts prompttext input inputs inputtext output outputs outputtext ' +
    'completion completions body bodies requestbody responsebody backendrequestbody backendresponsebody requestmessages ' +
    'responsemessages inputmessages outputmessages text texts arguments args system systemprompt systeminstruction ' +
    'systeminstructions instructions instruction query querystring querystrings querystringparameters queryparameters question ' +
    'answer answers document documents delta parts predictions instances dataframesplit dataframerecords tools functions ' +
    'toolcalls functioncall params thinking reasoning reasoningcontent refusal transcript caption suffix description ' +
    'summary tracerecords useragent errormessage errorstr statusreason resultdescription log msg rawmessage httpmessage request ' +
    'response payload requestpayload responsepayload error generation generations preamble utterance reply ' +
    'chathistory partialjson'
  ).split(' '),
);

/** How longer names of texts end: `userPrompt`, `generated_text`, `lastMessage`, `outputText`; not `context`. */
const textEnd = /(?:prompts?|messages?|contents?|(?<!con)text|question|answer|reply|utterance|transcript)$/;

/** Names that are texts where they are texts, and ordinary structure where they are objects. */
const structures = new Set('request response payload error log message'.split(' '));

/** What names a provider in OpenTelemetry ends like a system prompt. */
const exceptions = new Set(['gen_ai.system']);

/** Whether a name is one under which gateways and providers put what people and models said. */
export function isTextName(name: string): boolean {
  const word = plain(name);
  if (word === 'value') return /(?:input|output)\.value$/i.test(name);
  return (texts.has(word) || isTextEnd(word)) && !exceptions.has(name.toLowerCase());
}

/** Counts are named by what is counted: `tokens_prompt`. */
function isTextEnd(word: string): boolean {
  return textEnd.test(word) && !word.includes('token');
}

/** Whether what is inside an object or list of this name is text as a whole. */
export function holdsText(name: string): boolean {
  return isTextName(name) && !structures.has(plain(name));
}

/** Whether a text of this name is a response, whose usage is worth keeping when its text is not. */
export function isResponseName(name: string): boolean {
  return /^(?:backend)?response(?:body|payload)?$/.test(plain(name));
}

/** Whether a name is one of keys, tokens and passwords. */
export function isSecretName(name: string): boolean {
  const word = plain(name);
  return (
    /^(?:key|keys|token|sig|auth|pass|jwt)$/.test(word) ||
    /(?:authorization|apikey|subscriptionkey|functionskey|accesskey|accountkey|sharedaccesskey|primarykey|secondarykey|privatekey|cookie|password|passwd|pwd|secret|signature|credentials?|connectionstring|(?:access|refresh|id|session|auth|sas|bearer|security|api)token)$/.test(
      word,
    )
  );
}

/** Whether an object of this name has HTTP headers, any of which may be a key under a name of its own. */
export function isHeadersName(name: string): boolean {
  return /headers?$/.test(plain(name));
}

/** The name of a field, as far as it is one: names may be data, and data may be what somebody said. */
export function fieldName(name: string): string {
  if (/^[A-Za-z_]{1,40}$/.test(name)) return name;
  return name.trim().split(/\s+/).length > 3 ? '[redacted name]' : maskSecrets(name);
}

/** Whether a name is one of a caller's network address. */
export function isAddressName(name: string): boolean {
  return /^(?:ip|.*(?:ipaddress|clientip|callerip|requestip|srcip|sourceip|remoteip|userip)|remoteaddr|clientaddress|xforwardedfor)$/.test(
    plain(name),
  );
}

const mask = '[redacted]';

/** In the order in which they are masked; each is bounded or linear, because the texts come from outside. */
const patterns: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  // A path with a query string, as request lines and access logs write it.
  [/(^|[\s"'=(,])(\/[^\s?"'<>]{0,512})\?[^\s"'<>]+/g, `$1$2?${mask}`],
  [/\b(Bearer|Basic|Negotiate|Digest|SharedAccessSignature)\s+[^\s"',;]+/gi, `$1 ${mask}`],
  [/(?<![\w-])eyJ[\w-]{4,}(?:\.[\w-]+){1,4}/g, mask],
  // Words alone are no key: `sk-telecom` and `sk-hynix` are two consumers, and must not become one.
  [/(?<![A-Za-z0-9])(sk|pk|rk)-(?![a-z]{1,24}(?:-[a-z]{1,24}){0,4}(?![\w-]))[\w-]{4,}/g, `$1-${mask}`],
  [/(?<![A-Za-z0-9])gm_[\w-]{4,}/g, `gm_${mask}`],
  [/(?<![A-Za-z0-9])(?:AIza[\w-]{10,}|dapi[\da-f]{16,}|(?:AKIA|ASIA)[A-Z0-9]{12,}|gh[pousr]_[A-Za-z0-9]{16,})/g, mask],
  [
    /((?:^|[^a-z])(?:[\w-]{0,40}[-_])?(?:api-?key|access-?key|account-?key|shared-?access-?key|subscription-?key|key|sig|signature|token|password|passwd|pwd|secret|code|auth))(=|%3D)[^\s&;,"'<>]+/gi,
    `$1$2${mask}`,
  ],
];

/**
 * A text without what opens doors: query strings and users of URLs, bearer tokens, keys that are known by their
 * beginning, JSON web tokens, shared access signatures, values of names such as `password=`.
 */
export function maskSecrets(text: string): string {
  let masked = text.replaceAll(
    /\b([a-z][a-z0-9+.-]{0,31}:\/\/)([^\s"'<>\\]*)/gi,
    (_url, scheme: string, rest: string) => {
      const end = rest.search(/[?#]/);
      const bare = end < 0 ? rest : rest.slice(0, end);
      const slash = bare.indexOf('/');
      const authority = slash < 0 ? bare : bare.slice(0, slash);
      return `${scheme}${bare.slice(authority.lastIndexOf('@') + 1)}${end < 0 ? '' : `?${mask}`}`;
    },
  );
  for (const [pattern, replacement] of patterns) masked = masked.replace(pattern, replacement);
  return masked;
}

/** What every text that `maskSecrets` changes has; most columns have none of it, and need not be searched for each. */
const suspect =
  /[=?#@]|%3[dD]|(?:sk|pk|rk)-|eyJ|gm_|AIza|dapi|A[KS]IA|gh[pousr]_|(?:[Bb]earer|BEARER|[Ss]hared[Aa]ccess[Ss]ignature)\s|(?:[Bb]asic|BASIC|[Dd]igest|[Nn]egotiate)\s+(?=\S*(?:[\d+/]|[a-z][A-Z]))\S{8}/;

/** The text of a column without what opens doors. A word such as `Basic` before a plan's name is none. */
export function columnText(text: string): string {
  return suspect.test(text) ? maskSecrets(text) : text;
}

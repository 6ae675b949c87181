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
    'response payload requestpayload responsepayload error'
  ).split(' '),
);

/** Names that are texts where they are texts, and ordinary structure where they are objects. */
const structures = new Set('request response payload error log message'.split(' '));

/** What names a provider in OpenTelemetry ends like a system prompt. */
const exceptions = new Set(['gen_ai.system']);

/** Whether a name is one under which gateways and providers put what people and models said. */
export function isTextName(name: string): boolean {
  return texts.has(plain(name)) && !exceptions.has(name.toLowerCase());
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
  [/(?<![A-Za-z0-9])(sk|pk|rk)-[\w-]{4,}/g, `$1-${mask}`],
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

import { members, shortText, within } from '../nested.ts';
import type { Reader } from '../reader.ts';

/** A call of a tool or an agent through Kong, without tokens: what it did, and how it failed. */
export type RemoteCall = {
  readonly operation_name: '' | 'execute_tool' | 'invoke_agent';
  /** The tool's name, if one was called. */
  readonly operation_id: string;
  readonly request_stream: boolean | null;
  readonly error_type: string;
};

/**
 * What the MCP and A2A plugins add: `ai.mcp` with a session's JSON-RPC requests (since 3.12) and who was let in (3.13),
 * `ai.a2a` with operations and states of tasks (3.14). A session's `tools/list` and the like are no tool's execution.
 * Errors are messages, so only that there was one is kept. Null where neither is there.
 * Source: Kong/developer.konghq.com app/ai-gateway/v1/ai-audit-log-reference.md.
 */
export function remoteCallOf(ai: Reader): RemoteCall | null {
  if (ai.has('mcp')) return within(ai, 'mcp', mcp);
  return ai.has('a2a') ? within(ai, 'a2a', a2a) : null;
}

function mcp(session: Reader): RemoteCall {
  const requests = members(session, 'rpc');
  const tools = requests.filter((request) => shortText(request, 'method') === 'tools/call');
  const names = new Set(tools.map((request) => shortText(request, 'tool_name')));
  const denied = members(session, 'audit').some((entry) => shortText(entry, 'action').toLowerCase() === 'deny');
  const failed = requests.some((request) => shortText(request, 'error') !== '');
  return {
    operation_name: tools.length > 0 ? 'execute_tool' : '',
    operation_id: names.size === 1 ? ([...names][0] ?? '') : '',
    request_stream: null,
    error_type: denied ? 'access_denied' : failed ? 'rpc_error' : '',
  };
}

function a2a(task: Reader): RemoteCall {
  const requests = members(task, 'rpc');
  const states = requests.map((request) => shortText(request, 'task_state').toLowerCase());
  const failed = states.find((state) => /failed|rejected/.test(state));
  const streaming = requests.map((request) => request.value('streaming')).find((flag) => typeof flag === 'boolean');
  return {
    operation_name: 'invoke_agent',
    operation_id: '',
    request_stream: streaming ?? null,
    error_type: failed
      ? `task_${/failed/.test(failed) ? 'failed' : 'rejected'}`
      : requests.some((request) => shortText(request, 'error') !== '')
        ? 'rpc_error'
        : '',
  };
}

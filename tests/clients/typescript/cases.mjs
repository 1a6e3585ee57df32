// The cases that every client must pass, against the sandbox's server `sandbox-tools` (../sandbox.json).
// Each opens its own session, throws what is wrong, and returns one line of detail.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { Session } from './connect.mjs';

const EXPECTED = JSON.parse(readFileSync(new URL('../sandbox.json', import.meta.url)));
const TRICKY_TEXT = 'plain, "quoted", tab\t, two\nlines, Zoë, 你好, 🦀';
const LARGE = 1024 * 1024;

/** Thrown by a case that the era or the transport does not have. */
export class NotApplicable extends Error {}

/** Deep equality that says both sides on one line. */
function same(actual, expected, what) {
  assert.ok(isDeepStrictEqual(actual, expected), `${what}: ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`);
}

const fill = (template, values) => template.replace(/\{(\w+)\}/g, (_, key) => values[key]);

function textOf(result) {
  same(result.content.length, 1, 'number of content blocks');
  same(result.content[0].type, 'text', 'type of the block');
  return result.content[0].text;
}

async function echo(session, text) {
  const result = await session.call('echo', { text });
  assert.ok(!result.isError, 'echo is not an error');
  same(textOf(result), text, 'result');
}

/** Runs `body` with a fresh session and closes it whatever happens. */
async function withSession({ sdk, target }, body) {
  const session = await Session.open(sdk, target);
  try {
    return await body(session);
  } finally {
    await session.close();
  }
}

/** Calls `progress` and returns the progress values with the milliseconds at which each arrived. */
async function callProgress(session, seconds, steps, options = {}) {
  const start = performance.now();
  session.notifications.length = 0;
  const onprogress = () => {}; // The SDK asks for progress only when somebody listens.
  const result = await session.call('progress', { seconds, steps }, { onprogress, ...options });
  return { result, arrivals: arrivedProgress(session, start), took: performance.now() - start };
}

function arrivedProgress(session, start) {
  return session.notifications
    .filter(({ method }) => method === 'notifications/progress')
    .map(({ at, params }) => ({ at: at - start, progress: params.progress, total: params.total }));
}

function assertAllSteps(arrivals, steps, repeated = []) {
  const expected = [...repeated, ...Array.from({ length: steps }, (_, index) => index + 1)].map((step) => [step, steps]);
  same(arrivals.map(({ progress, total }) => [progress, total]), expected, 'progress');
}

async function initialize(run) {
  return withSession(run, async (session) => {
    same(session.client.getServerVersion()?.name, EXPECTED.server, 'name of the server');
    if (run.expectEra) same(session.era, run.expectEra, 'era');
    const capabilities = Object.keys(session.client.getServerCapabilities());
    for (const name of ['tools', 'resources', 'prompts']) assert.ok(capabilities.includes(name), `capability ${name}`);
    if (run.target.transport === 'streamable' && session.era === 'legacy') {
      assert.match(session.transport.sessionId ?? '', /^[\x21-\x7e]+$/, 'session id');
    }
    return `${EXPECTED.server}, era ${session.era}, protocol ${session.protocolVersion}`;
  });
}

async function tools(run) {
  return withSession(run, async (session) => {
    const names = (await session.client.listTools()).tools.map((tool) => tool.name).sort();
    same(names, EXPECTED.tools, 'tools');
    return names.join(' ');
  });
}

async function echoes(run) {
  return withSession(run, async (session) => {
    await echo(session, TRICKY_TEXT);
    return `${[...TRICKY_TEXT].length} characters`;
  });
}

async function progress(run) {
  const seconds = 2;
  const steps = 4;
  return withSession(run, async (session) => {
    const { result, arrivals, took } = await callProgress(session, seconds, steps);
    assertAllSteps(arrivals, steps);
    same(textOf(result), fill(EXPECTED.progressDone, { seconds, steps }), 'result');
    const spread = arrivals.at(-1).at - arrivals[0].at;
    assert.ok(arrivals[0].at < took / 2, `first at ${arrivals[0].at.toFixed()} ms of ${took.toFixed()} ms`);
    assert.ok(spread > seconds * 500, `all ${steps} notifications within ${spread.toFixed()} ms`);
    return `arrived at ${arrivals.map(({ at }) => at.toFixed()).join(', ')} ms, result at ${took.toFixed()} ms`;
  });
}

async function large(run) {
  return withSession(run, async (session) => {
    const text = textOf(await session.call('large', { bytes: LARGE }));
    same(Buffer.byteLength(text), LARGE, 'bytes');
    assert.ok(text === EXPECTED.largePattern.repeat(LARGE / EXPECTED.largePattern.length), 'the bytes differ');
    return `${LARGE} bytes`;
  });
}

async function resource(run) {
  return withSession(run, async (session) => {
    const { resources } = await session.client.listResources();
    same(resources.map(({ uri }) => uri), EXPECTED.resources, 'resources');
    const { resourceTemplates } = await session.client.listResourceTemplates();
    same(resourceTemplates.map(({ uriTemplate }) => uriTemplate), EXPECTED.templates, 'templates');
    for (const [uri, text] of Object.entries(EXPECTED.readable)) {
      const { contents } = await session.client.readResource({ uri });
      same(contents.map((content) => [content.uri, content.text]), [[uri, text]], 'contents');
    }
    return `listed, read ${Object.keys(EXPECTED.readable).join(' and ')}`;
  });
}

async function prompt(run) {
  return withSession(run, async (session) => {
    const { name, arguments: values, text } = EXPECTED.prompt;
    same((await session.client.listPrompts()).prompts.map((each) => each.name), EXPECTED.prompts, 'prompts');
    const { messages } = await session.client.getPrompt({ name, arguments: values });
    same(messages.map(({ role, content }) => [role, content.text]), [['user', text]], 'messages');
    return `${name}: ${text}`;
  });
}

/** The text of a sampling message, whose content is one block or a list of them. */
const firstText = ({ content }) => [content].flat()[0].text;

async function sample(run) {
  return withSession(run, async (session) => {
    const asked = [];
    session.onSample((request) => {
      asked.push(...request.params.messages.map(firstText));
      return { role: 'assistant', model: 'test', content: { type: 'text', text: 'the sampled answer' } };
    });
    const result = await session.call('sample', { question: 'what is asked' });
    same(asked, ['what is asked'], 'asked');
    same(firstText(JSON.parse(textOf(result))), 'the sampled answer', 'what the server was told');
    return 'asked once, answered';
  });
}

async function elicit(run) {
  return withSession(run, async (session) => {
    const asked = [];
    session.onElicit((request) => {
      asked.push(request.params.message);
      return { action: 'accept', content: { [EXPECTED.elicitField]: 'Zoë' } };
    });
    const result = await session.call('elicit', { question: 'what is filled in' });
    same(asked, ['what is filled in'], 'asked');
    const { action, content } = JSON.parse(textOf(result));
    same([action, content], ['accept', { [EXPECTED.elicitField]: 'Zoë' }], 'what the server was told');
    return 'asked once, accepted';
  });
}

async function fail(run) {
  return withSession(run, async (session) => {
    const result = await session.call('fail', {});
    same(result.isError, true, 'isError');
    same(textOf(result), EXPECTED.failText, 'text');
    return 'reported as a tool error';
  });
}

async function cancel(run) {
  return withSession(run, async (session) => {
    const abort = new AbortController();
    const start = performance.now();
    const call = callProgress(session, 6, 12, {
      signal: abort.signal,
      onprogress: () => abort.abort('cancelled by the test'),
    });
    await assert.rejects(call, /cancelled by the test/);
    const took = performance.now() - start;
    assert.ok(took < 3000, `the call ended after ${took.toFixed()} ms, not when it was aborted`);
    await echo(session, 'still works');
    await sleep(2000);
    // One more may have been on its way while the abort travelled to the server.
    const told = arrivedProgress(session, start).length;
    assert.ok(told >= 1 && told <= 2, `the server went on after the abort: ${told} notifications`);
    return `ended after ${took.toFixed()} ms, ${told} of 12 notifications, session still works`;
  });
}

async function reconnect(run) {
  const ids = [];
  for (const text of ['first', 'second']) {
    await withSession(run, async (session) => {
      ids.push(session.transport.sessionId);
      await echo(session, text);
    });
  }
  if (run.target.transport === 'streamable' && ids[0]) assert.notEqual(ids[0], ids[1], 'session id');
  return 'closed, connected anew';
}

async function resume(run) {
  if (run.target.transport !== 'streamable') throw new NotApplicable('only Streamable HTTP resumes streams');
  const seconds = 7.2; // The SDK comes back after one second, or the server's three: between two steps, not upon one.
  const steps = 6;
  return withSession(run, async (session) => {
    if (session.era !== 'legacy') throw new NotApplicable('revision 2026-07-28 has no event ids');
    session.cutNextToolCall();
    const { result, arrivals } = await callProgress(session, seconds, steps);
    if (!session.lastIdBeforeCut) throw new NotApplicable('the server sends no event ids');
    const resumed = session.requests.filter(({ lastEventId }) => lastEventId !== null);
    same(resumed.map(({ method, status }) => `${method} ${status}`), ['GET 200'], 'requests with Last-Event-ID');
    same(resumed[0].lastEventId, session.lastIdBeforeCut, 'Last-Event-ID');
    // Right is to go on behind the last event; the sandbox's server repeats it, and nobody on the way may alter that.
    assertAllSteps(arrivals, steps, EXPECTED.resumeRepeatsLastEvent ? [1] : []);
    same(textOf(result), fill(EXPECTED.progressDone, { seconds, steps }), 'result');
    return `cut after event ${session.lastIdBeforeCut}, GET with Last-Event-ID, nothing lost`;
  });
}

async function parallel(run) {
  return withSession(run, async (session) => {
    await Promise.all(Array.from({ length: 20 }, (_, index) => echo(session, `call ${index}`)));
    return '20 calls at once, each with its own answer';
  });
}

async function sessions(run) {
  return withSession(run, (first) =>
    withSession(run, async (second) => {
      const [one, two] = await Promise.all([callProgress(first, 1, 2), callProgress(second, 1.5, 3)]);
      assertAllSteps(one.arrivals, 2);
      assertAllSteps(two.arrivals, 3);
      const ids = [first.transport.sessionId, second.transport.sessionId];
      if (ids[0]) assert.notEqual(ids[0], ids[1], 'session id');
      await first.close();
      await echo(second, 'the other one is gone');
      return 'two at once, one closed, the other works';
    }),
  );
}

async function terminate(run) {
  if (run.target.transport !== 'streamable') throw new NotApplicable('only Streamable HTTP has DELETE');
  return withSession(run, async (session) => {
    if (session.era !== 'legacy') throw new NotApplicable('revision 2026-07-28 has no sessions');
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
    const ask = behindItsBack(run, session, { method: 'POST', body });
    same(await ask(), 200, 'status before');
    await session.transport.terminateSession();
    const { status } = session.requests.find(({ method }) => method === 'DELETE');
    assert.ok([200, 202, 204].includes(status), `DELETE answered ${status}`);
    same(await ask(), 404, 'status of the dead session');
    return `DELETE ${status}, then 404`;
  });
}

/** A function that sends a request in the client's session, as it is now, and answers the status. */
function behindItsBack(run, session, init) {
  const headers = {
    ...run.target.headers,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-session-id': session.transport.sessionId,
    'mcp-protocol-version': session.protocolVersion,
  };
  return async () => {
    const response = await fetch(run.target.url, { ...init, headers });
    await response.body?.cancel();
    return response.status;
  };
}

async function lost(run) {
  if (run.target.transport !== 'streamable') {
    throw new NotApplicable('only Streamable HTTP has sessions that outlive a connection');
  }
  const seen = await withSession(run, async (session) => {
    if (session.era !== 'legacy') throw new NotApplicable('revision 2026-07-28 has no sessions');
    const status = await behindItsBack(run, session, { method: 'DELETE' })();
    assert.ok([200, 202, 204].includes(status), `DELETE answered ${status}`);
    session.requests.length = 0;
    const error = await session.call('echo', { text: 'in a lost session' }).then(() => undefined, (why) => why);
    assert.ok(error, 'the call came through although its session was gone');
    same(session.requests.filter(({ method }) => method === 'POST').map((request) => request.status), [404], 'status');
    return error.message;
  });
  await withSession(run, (session) => echo(session, 'in a new one'));
  return `the client says ${JSON.stringify(seen)}; a new session works`;
}

/** What a person sees when the proxy has no sign-in: the proxy's words, and no sign-in started by the client itself. */
async function signInNeeded(run) {
  const message = await refusal(run, {});
  assert.ok(message.includes(run.expect), `the user sees ${JSON.stringify(message)}`);
  const started = [];
  const authProvider = recordingProvider(started);
  const requests = [];
  const again = await refusal(run, { authProvider }, requests);
  assert.ok(again.includes(run.expect), `with OAuth the user sees ${JSON.stringify(again)}`);
  same(started, [], 'steps of a sign-in that the client started itself');
  if (run.target.transport === 'stdio') return JSON.stringify(message);
  const { pathname } = new URL(run.target.url);
  const strays = requests.map(({ url }) => url.pathname).filter((path) => path !== pathname);
  same(strays, [], 'requests elsewhere');
  return JSON.stringify(message);
}

/** A client whose rules block one tool: the list lacks it, a call is refused in the proxy's words, and the session goes on. */
async function restricted(run) {
  return withSession(run, async (session) => {
    const names = (await session.client.listTools()).tools.map((tool) => tool.name).sort();
    same(names, EXPECTED.tools.filter((name) => name !== EXPECTED.blocked), 'tools');
    const error = await session.call(EXPECTED.blocked, { bytes: 1 }).then(() => undefined, (why) => why);
    assert.ok(error, 'the call came through although the tool is blocked');
    assert.ok(error.message.includes(run.expect), `the user sees ${JSON.stringify(error.message)}`);
    await echo(session, 'after a refusal');
    return JSON.stringify(error.message);
  });
}

async function refusal({ sdk, target }, extra, requests = []) {
  const session = new Session(sdk, target, extra);
  session.requests = requests;
  try {
    await session.connect();
    await session.client.listTools();
  } catch (error) {
    return error.message;
  } finally {
    await session.close();
  }
  assert.fail('connected and listed tools without a sign-in');
}

/** What every graphical client gives to the SDK; notes each step of an OAuth flow. */
function recordingProvider(started) {
  const note = (step) => () => {
    started.push(step);
  };
  return {
    redirectUrl: 'http://127.0.0.1:1/callback',
    clientMetadata: { client_name: 'mcp-proxy-client-tests', redirect_uris: ['http://127.0.0.1:1/callback'] },
    clientInformation: () => undefined,
    saveClientInformation: note('registered a client'),
    tokens: () => undefined,
    saveTokens: note('saved tokens'),
    redirectToAuthorization: note('sent the user to a sign-in page'),
    saveCodeVerifier: note('began an authorization'),
    codeVerifier: () => 'none',
  };
}

/** Every case, in the order in which they run; the last two only when they are named. */
export const CASES = {
  initialize, tools, echo: echoes, progress, large, resource, prompt, sample, elicit, fail,
  cancel, reconnect, resume, parallel, sessions, terminate, lost,
};
export const NAMED_CASES = { sign_in_needed: signInNeeded, restricted };

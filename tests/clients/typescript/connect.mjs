// Opens an MCP session with either major of the official TypeScript SDK, so that the cases need not know which.
// v1 is @modelcontextprotocol/sdk, v2 is @modelcontextprotocol/client.

const IDENTITY = { name: 'mcp-proxy-client-tests', version: '1.0.0' };
const CAPABILITIES = { sampling: {}, elicitation: {} };

/** Loads one major of the SDK behind one shape. */
export async function loadSdk(name) {
  if (name === 'v2') {
    const [sdk, { StdioClientTransport }] = await Promise.all([
      import('@modelcontextprotocol/client'),
      import('@modelcontextprotocol/client/stdio'),
    ]);
    return {
      ...sdk,
      StdioClientTransport,
      schemas: { sample: 'sampling/createMessage', elicit: 'elicitation/create' },
      callTool: (client, params, options) => client.callTool(params, options),
    };
  }
  const [
    { Client },
    { StreamableHTTPClientTransport },
    { SSEClientTransport },
    { StdioClientTransport },
    types,
  ] = await Promise.all([
    import('@modelcontextprotocol/sdk/client/index.js'),
    import('@modelcontextprotocol/sdk/client/streamableHttp.js'),
    import('@modelcontextprotocol/sdk/client/sse.js'),
    import('@modelcontextprotocol/sdk/client/stdio.js'),
    import('@modelcontextprotocol/sdk/types.js'),
  ]);
  return {
    Client,
    StreamableHTTPClientTransport,
    SSEClientTransport,
    StdioClientTransport,
    schemas: { sample: types.CreateMessageRequestSchema, elicit: types.ElicitRequestSchema },
    callTool: (client, params, options) => client.callTool(params, undefined, options),
  };
}

/**
 * One client on one transport. `requests` lists what went over HTTP and `notifications` what the server told, with the
 * time of arrival. They are noted below the SDK, which drops the last progress when the result comes in the same chunk.
 */
export class Session {
  constructor(sdk, target, extra = {}) {
    this.sdk = sdk;
    this.target = target;
    this.requests = [];
    this.notifications = [];
    const options = {
      requestInit: { headers: target.headers },
      fetch: (url, init) => this.#fetch(url, init),
      authProvider: extra.authProvider,
    };
    if (target.transport === 'stdio') {
      const [command, ...args] = JSON.parse(target.url);
      this.transport = new sdk.StdioClientTransport({ command, args });
    } else {
      const Transport = target.transport === 'sse' ? sdk.SSEClientTransport : sdk.StreamableHTTPClientTransport;
      this.transport = new Transport(new URL(target.url), options);
    }
    this.transport.onmessage = ({ method, id, params }) => {
      if (method && id === undefined) this.notifications.push({ at: performance.now(), method, params });
    };
    this.client = new sdk.Client(IDENTITY, {
      capabilities: CAPABILITIES,
      versionNegotiation: { mode: target.mode },
    });
  }

  static async open(sdk, target, extra) {
    const session = new Session(sdk, target, extra);
    await session.connect();
    return session;
  }

  async connect() {
    await this.client.connect(this.transport);
  }

  /** `legacy` for the revisions with a handshake, `modern` from 2026-07-28 on. v1 speaks only the first. */
  get era() {
    return this.client.getProtocolEra?.() ?? 'legacy';
  }

  get protocolVersion() {
    return this.client.getNegotiatedProtocolVersion?.() ?? this.transport.protocolVersion ?? this.transport._protocolVersion;
  }

  call(name, args = {}, options = {}) {
    return this.sdk.callTool(this.client, { name, arguments: args }, options);
  }

  onSample(handler) {
    this.client.setRequestHandler(this.sdk.schemas.sample, handler);
  }

  onElicit(handler) {
    this.client.setRequestHandler(this.sdk.schemas.elicit, handler);
  }

  /** Makes the next answer to a tool call break off after its first event with an id and data. */
  cutNextToolCall() {
    this.cut = true;
  }

  async close() {
    await this.client.close();
  }

  async #fetch(url, init = {}) {
    const request = {
      url: new URL(url),
      method: init.method ?? 'GET',
      lastEventId: new Headers(init.headers).get('last-event-id'),
    };
    this.requests.push(request);
    const response = await fetch(url, init);
    request.status = response.status;
    if (!this.cut || !String(init.body).includes('"tools/call"')) return response;
    this.cut = false;
    const broken = cutAfterFirstEvent(response.body, (id) => {
      this.lastIdBeforeCut = id;
    });
    return new Response(broken, response);
  }
}

function cutAfterFirstEvent(body, onCut) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let seen = '';
  return new ReadableStream({
    async pull(controller) {
      const events = seen.replaceAll('\r\n', '\n').split('\n\n').slice(0, -1);
      if (events.some((event) => /^id:/m.test(event) && /^data: *\S/m.test(event))) {
        onCut(events.at(-1).match(/^id: *(.*)$/m)?.[1]);
        await reader.cancel();
        controller.error(new Error('cut by the test'));
        return;
      }
      const { value, done } = await reader.read();
      if (done) return controller.close();
      seen += decoder.decode(value, { stream: true });
      controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

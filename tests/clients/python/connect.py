"""Opens an MCP session with either major of the official Python SDK or FastMCP, so that the cases need not know which.

The client is the one that is installed. Results come as plain JSON values, because the majors spell fields differently.
"""

import importlib.metadata
import importlib.util
import json
import ssl
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

MAJOR = int(importlib.metadata.version("mcp").split(".")[0])
# FastMCP rests on the SDK, so an environment that has it is for it.
SDK = "fastmcp" if importlib.util.find_spec("fastmcp") else f"v{MAJOR}"

if MAJOR == 1:
    import httpx as http
    import mcp.types as types
else:
    import httpx2 as http
    import mcp_types as types

from mcp.client.auth import OAuthClientProvider
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

TIMEOUT = 30.0
READ_TIMEOUT = 300.0


@dataclass
class Target:
    """What to connect to, as the command line says it."""

    url: str
    transport: str
    mode: str
    headers: dict
    ca: str


def tls_context(ca):
    context = ssl.create_default_context()
    if ca:
        context.load_verify_locations(ca)
    return context


@dataclass
class Request:
    """One HTTP request as it left, and the status that came back."""

    method: str
    path: str
    last_event_id: str
    body: bytes
    status: int = 0


class Recorder(http.AsyncBaseTransport):
    """Notes every request, and can break off the answer to a tool call."""

    def __init__(self, ca):
        self.inner = http.AsyncHTTPTransport(verify=tls_context(ca))
        self.requests = []
        self.session_id = None
        self.cut_next_tool_call = False
        self.last_id_before_cut = None

    async def handle_async_request(self, request):
        body = b"" if request.method == "GET" else await request.aread()
        noted = Request(request.method, request.url.path, request.headers.get("last-event-id"), body)
        self.requests.append(noted)
        response = await self.inner.handle_async_request(request)
        noted.status = response.status_code
        self.session_id = response.headers.get("mcp-session-id", self.session_id)
        if self.cut_next_tool_call and b'"tools/call"' in body:
            self.cut_next_tool_call = False
            response.stream = CutStream(response.stream, self)
        return response

    async def aclose(self):
        await self.inner.aclose()


class CutStream(http.AsyncByteStream):
    """Breaks off after the first event with an id and data."""

    def __init__(self, inner, recorder):
        self.inner = inner
        self.recorder = recorder

    async def __aiter__(self):
        seen = b""
        async for chunk in self.inner:
            yield chunk
            seen += chunk
            events = seen.decode(errors="replace").replace("\r\n", "\n").split("\n\n")[:-1]
            fields = [dict(line.split(":", 1) for line in event.split("\n") if ":" in line) for event in events]
            if any("id" in event and event.get("data", "").strip() for event in fields):
                self.recorder.last_id_before_cut = fields[-1].get("id", "").strip()
                raise http.ReadError("cut by the test")

    async def aclose(self):
        await self.inner.aclose()


def plain(result):
    return result.model_dump(by_alias=True, mode="json", exclude_none=True)


@dataclass
class Session:
    """An open session. `notifications` holds progress with its time of arrival."""

    client: object
    recorder: Recorder
    notifications: list
    server_name: str = None
    capabilities: dict = field(default_factory=dict)
    protocol_version: str = None

    @property
    def era(self):
        """`legacy` for the revisions with a handshake, `modern` from 2026-07-28 on."""
        return "modern" if self.protocol_version >= "2026-07-28" else "legacy"

    async def call(self, name, arguments=None, progress_callback=None):
        return plain(await self.client.call_tool(name, arguments or {}, progress_callback=progress_callback))

    async def list_tools(self):
        return plain(await self.client.list_tools())["tools"]

    async def list_resources(self):
        return plain(await self.client.list_resources())["resources"]

    async def list_resource_templates(self):
        return plain(await self.client.list_resource_templates())["resourceTemplates"]

    async def read_resource(self, uri):
        return plain(await self.client.read_resource(uri))["contents"]

    async def list_prompts(self):
        return plain(await self.client.list_prompts())["prompts"]

    async def get_prompt(self, name, arguments):
        return plain(await self.client.get_prompt(name, arguments))["messages"]

    async def tell_cancelled(self):
        """1.x leaves it to the application to tell the server that a call is no longer wanted; 2.x tells it itself."""
        if MAJOR > 1:
            return
        calls = [json.loads(r.body) for r in self.recorder.requests if b'"tools/call"' in r.body]
        # Over stdio there is nothing to note requests with, but their ids are counted.
        last = calls[-1]["id"] if calls else self.client._request_id - 1
        params = types.CancelledNotificationParams(requestId=last)
        await self.client.send_notification(types.ClientNotification(types.CancelledNotification(params=params)))


@asynccontextmanager
async def open_session(target, sample=None, elicit=None, auth=None, recorder=None):
    recorder = recorder or Recorder(target.ca)
    notifications = []

    async def note(message):
        message = getattr(message, "root", message)
        if isinstance(message, types.ProgressNotification):
            notifications.append((time.monotonic(), message.params.progress, message.params.total))

    callbacks = {"sampling_callback": sample, "elicitation_callback": elicit, "message_handler": note}
    async with AsyncExitStack() as stack:
        if SDK == "fastmcp":
            session = Session(None, recorder, notifications)
            await connect_fastmcp(stack, session, target, auth, callbacks)
            yield session
            return
        if target.transport == "stdio":
            command, *args = json.loads(target.url)
            transport = stdio_client(StdioServerParameters(command=command, args=args))
        elif target.transport == "sse":
            transport = sse_client(target.url, headers=target.headers, auth=auth, httpx_client_factory=factory(recorder))
        else:
            timeout = http.Timeout(TIMEOUT, read=READ_TIMEOUT)
            client = factory(recorder)(headers=target.headers, timeout=timeout, auth=auth)
            await stack.enter_async_context(client)
            limits = {} if MAJOR == 1 else {"max_sse_event_size": None}
            transport = streamable_http_client(target.url, http_client=client, **limits)
        session = Session(None, recorder, notifications)
        await (connect_v1 if MAJOR == 1 else connect_v2)(stack, session, target, transport, callbacks)
        yield session


async def connect_v1(stack, session, target, transport, callbacks):
    from mcp import ClientSession

    streams = await stack.enter_async_context(transport)
    session.client = await stack.enter_async_context(ClientSession(streams[0], streams[1], **callbacks))
    answer = await session.client.initialize()
    session.server_name = answer.serverInfo.name
    session.capabilities = plain(answer.capabilities)
    session.protocol_version = answer.protocolVersion


async def connect_v2(stack, session, target, transport, callbacks):
    from mcp import Client

    session.client = await stack.enter_async_context(Client(transport, mode=target.mode, **callbacks))
    info = session.client.server_info
    session.server_name = info.name if info else None
    session.capabilities = plain(session.client.server_capabilities)
    session.protocol_version = session.client.protocol_version


class FastMcp:
    """A client of FastMCP under the names that the SDK has for the same."""

    def __init__(self, client):
        self.list_tools = client.list_tools_mcp
        self.list_resources = client.list_resources_mcp
        self.list_resource_templates = client.list_resource_templates_mcp
        self.read_resource = client.read_resource_mcp
        self.list_prompts = client.list_prompts_mcp
        self.get_prompt = client.get_prompt_mcp
        self.call = client.call_tool_mcp

    async def call_tool(self, name, arguments, progress_callback):
        return await self.call(name, arguments, progress_handler=progress_callback)


async def connect_fastmcp(stack, session, target, auth, callbacks):
    from fastmcp import Client
    from fastmcp.client.transports import SSETransport, StreamableHttpTransport

    transport = SSETransport if target.transport == "sse" else StreamableHttpTransport
    sample, elicit = callbacks["sampling_callback"], callbacks["elicitation_callback"]
    handlers = {"message_handler": callbacks["message_handler"]}
    if sample:
        handlers["sampling_handler"] = lambda messages, params, context: sample(context, params)
    if elicit:
        handlers["elicitation_handler"] = lambda message, kind, params, context: elicit(context, params)
    create = factory(session.recorder)
    opened = transport(target.url, headers=target.headers, auth=auth, httpx_client_factory=create)
    client = await stack.enter_async_context(Client(opened, mode=target.mode, timeout=READ_TIMEOUT, **handlers))
    session.client = FastMcp(client)
    info = client.server_info
    session.server_name = info.name if info else None
    session.capabilities = plain(client.server_capabilities)
    session.protocol_version = client.protocol_version


def factory(recorder):
    def create(headers=None, timeout=None, auth=None, follow_redirects=False):
        options = {"headers": headers, "timeout": timeout, "auth": auth, "follow_redirects": follow_redirects}
        return http.AsyncClient(transport=recorder, **options)

    return create


def oauth_provider(url, started):
    """What a graphical client gives to the SDK; notes each step of a sign-in that the client starts by itself."""
    from mcp.shared.auth import OAuthClientMetadata

    class Storage:
        async def get_tokens(self):
            return None

        async def set_tokens(self, tokens):
            started.append("saved tokens")

        async def get_client_info(self):
            return None

        async def set_client_info(self, client_info):
            started.append("registered a client")

    async def redirect(url):
        started.append("sent the user to a sign-in page")

    async def callback():
        raise RuntimeError("no callback")

    metadata = OAuthClientMetadata(client_name="mcp-proxy-client-tests", redirect_uris=["http://127.0.0.1:1/callback"])
    return OAuthClientProvider(url, metadata, Storage(), redirect, callback)

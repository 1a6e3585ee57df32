"""The cases that every client must pass, against the sandbox's server `sandbox-tools` (../sandbox.json).

Each opens its own session, raises what is wrong, and returns one line of detail.
"""

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from connect import MAJOR, SDK, Recorder, Target, http, oauth_provider, open_session, tls_context, types
from reporting import NotApplicable, expect, message_of, same

EXPECTED = json.loads(Path(__file__).parent.with_name("sandbox.json").read_text())
TRICKY_TEXT = 'plain, "quoted", tab\t, two\nlines, Zoë, 你好, 🦀'
LARGE = 1024 * 1024


@dataclass
class Run:
    target: Target
    expect_era: str
    expect: str


def text_of(result):
    same([block["type"] for block in result["content"]], ["text"], "content")
    return result["content"][0]["text"]


async def echo(session, text):
    result = await session.call("echo", {"text": text})
    same(result.get("isError", False), False, "isError")
    same(text_of(result), text, "result")


async def ignore_progress(progress, total, message):
    """The SDK asks for progress only when somebody listens; the session notes it by itself."""


async def call_progress(session, seconds, steps):
    session.notifications.clear()
    start = time.monotonic()
    result = await session.call("progress", {"seconds": seconds, "steps": steps}, ignore_progress)
    took = time.monotonic() - start
    await asyncio.sleep(0.1)  # 2.x hands a notification to its listener a moment later than the result.
    same(text_of(result), EXPECTED["progressDone"].format(steps=steps, seconds=seconds), "result")
    return [at - start for at, _, _ in session.notifications], took


def all_steps(session, steps, repeated=()):
    expected = [(step, steps) for step in (*repeated, *range(1, steps + 1))]
    same([update[1:] for update in session.notifications], expected, "progress")


async def initialize(run):
    async with open_session(run.target) as session:
        same(session.server_name, EXPECTED["server"], "name of the server")
        if run.expect_era:
            same(session.era, run.expect_era, "era")
        for name in ("tools", "resources", "prompts"):
            expect(name in session.capabilities, f"capability {name}")
        if run.target.transport == "streamable" and session.era == "legacy":
            expect(session.recorder.session_id, "no session id")
        return f"{EXPECTED['server']}, era {session.era}, protocol {session.protocol_version}"


async def tools(run):
    async with open_session(run.target) as session:
        names = sorted(tool["name"] for tool in await session.list_tools())
        same(names, EXPECTED["tools"], "tools")
        return " ".join(names)


async def echoes(run):
    async with open_session(run.target) as session:
        await echo(session, TRICKY_TEXT)
        return f"{len(TRICKY_TEXT)} characters"


async def progress(run):
    async with open_session(run.target) as session:
        arrivals, took = await call_progress(session, seconds=2, steps=4)
        all_steps(session, 4)
        expect(arrivals[0] < took / 2, f"first at {arrivals[0]:.2f} s of {took:.2f} s")
        spread = arrivals[-1] - arrivals[0]
        expect(spread > 1, f"all notifications within {spread:.2f} s")
        return f"arrived at {', '.join(f'{at:.2f}' for at in arrivals)} s, result at {took:.2f} s"


async def large(run):
    # 2.x refuses events above 1 MiB; only its Streamable HTTP transport can be told otherwise, and not by FastMCP.
    size = LARGE // 4 if MAJOR > 1 and (run.target.transport != "streamable" or SDK == "fastmcp") else LARGE
    async with open_session(run.target) as session:
        text = text_of(await session.call("large", {"bytes": size}))
        same(len(text.encode()), size, "bytes")
        pattern = EXPECTED["largePattern"]
        expect(text == pattern * (size // len(pattern)), "the bytes differ")
        return f"{size} bytes"


async def resource(run):
    async with open_session(run.target) as session:
        same([each["uri"] for each in await session.list_resources()], EXPECTED["resources"], "resources")
        patterns = [each["uriTemplate"] for each in await session.list_resource_templates()]
        same(patterns, EXPECTED["templates"], "templates")
        for uri, text in EXPECTED["readable"].items():
            contents = await session.read_resource(uri)
            same([(each["uri"], each["text"]) for each in contents], [(uri, text)], "contents")
        return f"listed, read {' and '.join(EXPECTED['readable'])}"


async def prompt(run):
    async with open_session(run.target) as session:
        wanted = EXPECTED["prompt"]
        same([each["name"] for each in await session.list_prompts()], EXPECTED["prompts"], "prompts")
        messages = await session.get_prompt(wanted["name"], wanted["arguments"])
        same([(each["role"], each["content"]["text"]) for each in messages], [("user", wanted["text"])], "messages")
        return f"{wanted['name']}: {wanted['text']}"


def first_text(content):
    """The content of a sampling message is one block or a list of them."""
    return content[0] if isinstance(content, list) else content


async def sample(run):
    asked = []

    async def answer(context, params):
        asked.extend(first_text(message.content).text for message in params.messages)
        text = types.TextContent(type="text", text="the sampled answer")
        return types.CreateMessageResult(role="assistant", model="test", content=text)

    async with open_session(run.target, sample=answer) as session:
        result = await session.call("sample", {"question": "what is asked"})
        same(asked, ["what is asked"], "asked")
        told = json.loads(text_of(result))
        same(first_text(told["content"])["text"], "the sampled answer", "what the server was told")
        return "asked once, answered"


async def elicit(run):
    asked = []
    filled = {EXPECTED["elicitField"]: "Zoë"}

    async def answer(context, params):
        asked.append(params.message)
        return types.ElicitResult(action="accept", content=filled)

    async with open_session(run.target, elicit=answer) as session:
        result = await session.call("elicit", {"question": "what is filled in"})
        same(asked, ["what is filled in"], "asked")
        told = json.loads(text_of(result))
        same((told["action"], told["content"]), ("accept", filled), "what the server was told")
        return "asked once, accepted"


async def fail(run):
    async with open_session(run.target) as session:
        result = await session.call("fail")
        same(result.get("isError"), True, "isError")
        same(text_of(result), EXPECTED["failText"], "text")
        return "reported as a tool error"


async def cancel(run):
    async with open_session(run.target) as session:
        start = time.monotonic()
        values = {"seconds": 6, "steps": 12}
        call = asyncio.create_task(session.call("progress", values, ignore_progress))
        while not session.notifications and time.monotonic() - start < 10:
            await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.wait([call])
        expect(call.cancelled(), "the call was not cancelled")
        await session.tell_cancelled()
        took = time.monotonic() - start
        expect(took < 3, f"the call ended after {took:.2f} s, not when it was cancelled")
        await echo(session, "still works")
        await asyncio.sleep(2)
        told = len(session.notifications)
        # One more may have been on its way while the word travelled to the server.
        expect(1 <= told <= 2, f"the server went on after the cancellation: {told} notifications")
        return f"ended after {took:.2f} s, {told} of 12 notifications, session still works"


async def reconnect(run):
    ids = []
    for text in ("first", "second"):
        async with open_session(run.target) as session:
            ids.append(session.recorder.session_id)
            await echo(session, text)
    expect(ids[0] is None or ids[0] != ids[1], "both sessions have the same id")
    return "closed, connected anew"


async def resume(run):
    if run.target.transport != "streamable":
        raise NotApplicable("only Streamable HTTP resumes streams")
    async with open_session(run.target) as session:
        if session.era != "legacy":
            raise NotApplicable("revision 2026-07-28 has no event ids")
        session.recorder.cut_next_tool_call = True
        # The SDK comes back after one second, or the server's three: between two steps, not upon one.
        await call_progress(session, seconds=7.2, steps=6)
        last_id = session.recorder.last_id_before_cut
        if not last_id:
            raise NotApplicable("the server sends no event ids")
        resumed = [r for r in session.recorder.requests if r.last_event_id]
        same([(r.method, r.status, r.last_event_id) for r in resumed], [("GET", 200, last_id)], "resumed by")
        # Right is to go on behind the last event; the sandbox's server repeats it, and nobody on the way may alter that.
        all_steps(session, 6, [1] if EXPECTED["resumeRepeatsLastEvent"] else [])
        return f"cut after event {last_id}, GET with Last-Event-ID, nothing lost"


async def parallel(run):
    async with open_session(run.target) as session:
        await asyncio.gather(*(echo(session, f"call {index}") for index in range(20)))
        return "20 calls at once, each with its own answer"


async def sessions(run):
    async with open_session(run.target) as second:
        async with open_session(run.target) as first:
            await asyncio.gather(call_progress(first, seconds=1, steps=2), call_progress(second, seconds=1.5, steps=3))
            all_steps(first, 2)
            all_steps(second, 3)
            ids = first.recorder.session_id, second.recorder.session_id
            expect(ids[0] is None or ids[0] != ids[1], "both sessions have the same id")
        await echo(second, "the other one is gone")
        return "two at once, one closed, the other works"


async def terminate(run):
    if run.target.transport != "streamable":
        raise NotApplicable("only Streamable HTTP has DELETE")
    async with open_session(run.target) as session:
        if session.era != "legacy":
            raise NotApplicable("revision 2026-07-28 has no sessions")
        await echo(session, "alive")
    deleted = [r.status for r in session.recorder.requests if r.method == "DELETE"]
    expect(len(deleted) == 1 and deleted[0] in (200, 202, 204), f"DELETE answered {deleted}")
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    same(await behind_its_back(run, session, "POST", json=body), 404, "status of the dead session")
    return f"DELETE {deleted[0]}, then 404"


async def behind_its_back(run, session, method, **more):
    """Sends a request in the client's session; answers the status."""
    headers = {
        **run.target.headers,
        "accept": "application/json, text/event-stream",
        "mcp-session-id": session.recorder.session_id,
        "mcp-protocol-version": session.protocol_version,
    }
    async with http.AsyncClient(verify=tls_context(run.target.ca)) as client:
        return (await client.request(method, run.target.url, headers=headers, **more)).status_code


async def lost(run):
    if run.target.transport != "streamable":
        raise NotApplicable("only Streamable HTTP has sessions that outlive a connection")
    async with open_session(run.target) as session:
        if session.era != "legacy":
            raise NotApplicable("revision 2026-07-28 has no sessions")
        status = await behind_its_back(run, session, "DELETE")
        expect(status in (200, 202, 204), f"DELETE answered {status}")
        try:
            await session.call("echo", {"text": "in a lost session"})
        except Exception as error:
            seen = message_of(error)
        else:
            raise AssertionError("the call came through although its session was gone")
        calls = [r.status for r in session.recorder.requests if b'"tools/call"' in r.body]
        same(calls, [404], "status of the call")
    async with open_session(run.target) as session:
        await echo(session, "in a new one")
    return f"the client says {seen!r}; a new session works"


async def sign_in_needed(run):
    """What a person sees without a sign-in: the proxy's words, and no sign-in started by the client itself."""
    seen = await refusal(run)
    expect(run.expect in seen, f"the user sees {seen!r}")
    if run.target.transport == "stdio":
        return repr(seen)
    started = []
    recorder = Recorder(run.target.ca)
    again = await refusal(run, auth=oauth_provider(run.target.url, started), recorder=recorder)
    expect(run.expect in again, f"with OAuth the user sees {again!r}")
    same(started, [], "steps of a sign-in that the client started itself")
    path = urlsplit(run.target.url).path
    same([r.path for r in recorder.requests if r.path != path], [], "requests elsewhere")
    return repr(seen)


async def restricted(run):
    """One tool is blocked: the list lacks it, a call is refused in the proxy's words, and the session goes on."""
    blocked = EXPECTED["blocked"]
    async with open_session(run.target) as session:
        names = sorted(tool["name"] for tool in await session.list_tools())
        same(names, [name for name in EXPECTED["tools"] if name != blocked], "tools")
        try:
            await session.call(blocked, {"bytes": 1})
        except Exception as error:
            seen = message_of(error)
        else:
            raise AssertionError("the call came through although the tool is blocked")
        expect(run.expect in seen, f"the user sees {seen!r}")
        await echo(session, "after a refusal")
        return repr(seen)


async def refusal(run, **extra):
    try:
        async with open_session(run.target, **extra) as session:
            await session.list_tools()
    except Exception as error:
        return message_of(error)
    raise AssertionError("connected and listed tools without a sign-in")


CASES = {
    "initialize": initialize, "tools": tools, "echo": echoes, "progress": progress, "large": large,
    "resource": resource, "prompt": prompt, "sample": sample, "elicit": elicit, "fail": fail, "cancel": cancel,
    "reconnect": reconnect, "resume": resume, "parallel": parallel, "sessions": sessions, "terminate": terminate,
    "lost": lost,
}
NAMED_CASES = {"sign_in_needed": sign_in_needed, "restricted": restricted}

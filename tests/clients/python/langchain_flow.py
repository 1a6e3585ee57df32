"""Loads the tools of an MCP server, directly or through the proxy, with the LangChain adapters and calls one.

Same cases' output and exit codes as flow.py. LangChain opens a new session for every call.
"""

import argparse
import asyncio

from cases import EXPECTED, TRICKY_TEXT
from connect import Recorder, Target, factory
from reporting import add_options, choose, expect, finish, headers_of, message_of, run_cases, same
from langchain_mcp_adapters.client import MultiServerMCPClient


async def load(run):
    connection = {
        "transport": "sse" if run.target.transport == "sse" else "streamable_http",
        "url": run.target.url,
        "headers": run.target.headers,
        # Every session closes its client, so each needs its own.
        "httpx_client_factory": lambda **options: factory(Recorder(run.target.ca))(**options),
    }
    return {tool.name: tool for tool in await MultiServerMCPClient({"server": connection}).get_tools()}


async def tools(run):
    names = sorted(await load(run))
    same(names, EXPECTED["tools"], "tools")
    return " ".join(names)


async def echo(run):
    tool = (await load(run))["echo"]
    content = await tool.ainvoke({"text": TRICKY_TEXT})
    same([(block["type"], block["text"]) for block in content], [("text", TRICKY_TEXT)], "content")
    return f"{len(TRICKY_TEXT)} characters"


async def sign_in_needed(run):
    try:
        await load(run)
    except Exception as error:
        seen = message_of(error)
    else:
        raise AssertionError("loaded tools without a sign-in")
    expect(run.expect in seen, f"the user sees {seen!r}")
    return repr(seen)


class Run:
    """What the cases need from the command line."""

    def __init__(self, options, headers):
        self.target = Target(options.url, options.transport, "legacy", headers, options.ca)
        self.expect = options.expect


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    options = parser.parse_args()
    cases = choose(parser, options, {"tools": tools, "echo": echo}, {"sign_in_needed": sign_in_needed})
    run = Run(options, headers_of(parser, options.header))
    finish(asyncio.run(run_cases(cases, run, options.timeout, options.no_skip)))


if __name__ == "__main__":
    main()

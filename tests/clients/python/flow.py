"""Drives an MCP server, directly or through the proxy, with the official Python SDK or the FastMCP that is installed.

Exit 0 when no case failed, 1 when one did.
"""

import argparse
import asyncio

from cases import CASES, NAMED_CASES, Run
from connect import MAJOR, SDK, Target
from reporting import add_options, choose, finish, headers_of, run_cases


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument("--sdk", choices=["v1", "v2", "fastmcp"], help="refuse to run when another client is installed")
    parser.add_argument("--mode", choices=["legacy", "auto"], help="version negotiation; v2's own default is auto")
    parser.add_argument("--expect-era", choices=["legacy", "modern"], help="what the negotiation must arrive at")
    options = parser.parse_args()
    if options.sdk and options.sdk != SDK:
        parser.error(f"{SDK} is installed")
    mode = options.mode or ("legacy" if MAJOR == 1 else "auto")
    if mode == "auto" and MAJOR == 1:
        parser.error("--mode auto needs version 2 of the SDK")
    cases = choose(parser, options, CASES, NAMED_CASES)
    headers = headers_of(parser, options.header)
    target = Target(options.url, options.transport, mode, headers, options.ca)
    run = Run(target, options.expect_era, options.expect)
    finish(asyncio.run(run_cases(cases, run, options.timeout, options.no_skip)))


if __name__ == "__main__":
    main()

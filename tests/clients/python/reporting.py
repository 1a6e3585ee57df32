"""Runs named cases and prints `ok NAME detail`, `FAIL NAME why` or `skip NAME why` for each."""

import asyncio
import logging
import sys


class NotApplicable(Exception):
    """Raised by a case that the era or the transport does not have."""


def same(actual, expected, what):
    if actual != expected:
        raise AssertionError(f"{what}: {actual!r}, expected {expected!r}")


def expect(truth, why):
    if not truth:
        raise AssertionError(why)


def causes(error):
    """The exceptions inside a group, which is what task groups raise."""
    if isinstance(error, BaseExceptionGroup):
        return [cause for inner in error.exceptions for cause in causes(inner)]
    return [error]


def message_of(error):
    return "; ".join(str(cause) or type(cause).__name__ for cause in causes(error))


def add_options(parser):
    add = parser.add_argument
    add("--url", required=True, help="with --transport stdio a command: [\"program\", \"argument\"]")
    add("--transport", choices=["streamable", "sse", "stdio"], default="streamable")
    add("--case", action="append", metavar="NAME", help="only this case; may be repeated")
    add("--expect", metavar="TEXT", help="what the user must read (sign_in_needed)")
    add("--header", action="append", default=[], metavar="'NAME: VALUE'", help="sent with every request; may be repeated")
    add("--ca", metavar="FILE", help="also trust this CA")
    add("--timeout", type=float, default=60, metavar="SECONDS", help="for each case, default 60")
    add("--no-skip", action="store_true", help="a case that does not apply is a failure")


def headers_of(parser, lines):
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            parser.error("--header is 'Name: value'")
        headers[name.strip()] = value.strip()
    return headers


def choose(parser, options, usual, named):
    for name in options.case or []:
        if name not in usual and name not in named:
            parser.error(f"no case {name}; there are {' '.join([*usual, *named])}")
    if "sign_in_needed" in (options.case or []) and not options.expect:
        parser.error("sign_in_needed needs --expect")
    return {name: {**usual, **named}[name] for name in options.case or usual}


async def run_cases(cases, run, timeout, no_skip):
    """Returns the exit code."""
    # The SDK logs what it recovers from; a case says what matters.
    logging.disable(logging.CRITICAL)
    failed = 0
    for name, case in cases.items():
        try:
            verdict, detail = "ok", await asyncio.wait_for(case(run), timeout)
        except asyncio.TimeoutError:
            verdict, detail = "FAIL", f"not done after {timeout:g} s"
        except Exception as error:
            skipped = any(isinstance(cause, NotApplicable) for cause in causes(error)) and not no_skip
            verdict, detail = ("skip" if skipped else "FAIL"), message_of(error)
        failed += verdict == "FAIL"
        print(verdict, name, " ".join(detail.split())[:500], flush=True)
    return 1 if failed else 0


def finish(code):
    sys.stdout.flush()
    sys.exit(code)

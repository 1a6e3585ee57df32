#!/usr/bin/env python3
"""Looks at a command in a pseudo-terminal, step by step, with nothing but the standard library.

Steps: wait:REGEX (in what came after the previous match, escape sequences taken out), raw:REGEX (the same with them),
type:TEXT (with Python escapes, so type:\\x03 is Ctrl+C), signal:NAME, resize:COLUMNSxROWS, keys (Ctrl+C and single keys
arrive as such by now). Prints everything that the terminal was sent; the last line of standard error is JSON: how the
command ended, and whether the terminal takes whole lines again.
"""

import argparse
import fcntl
import json
import os
import re
import signal
import struct
import sys
import termios
import time

from paste import SIZE, Failed, Terminal


def takes_lines(terminal):
    flags = termios.tcgetattr(terminal.fd)[3]
    return all(flags & flag for flag in (termios.ICANON, termios.ECHO, termios.ISIG))


def wait_for_raw(terminal, pattern, seconds, since):
    """Where the match ends, in bytes."""
    deadline = time.monotonic() + seconds
    while not (match := re.compile(pattern.encode(), re.DOTALL).search(terminal.raw, since)):
        if time.monotonic() > deadline or not terminal.read(deadline):
            raise Failed(f"not sent: /{pattern}/")
    return match.end()


def run(terminal, options):
    at = 0
    for step in options.step:
        kind, _, value = step.partition(":")
        if kind == "wait":
            terminal.wait_for(value, options.timeout)
        elif kind == "raw":
            at = wait_for_raw(terminal, value, options.timeout, at)
        elif kind == "type":
            terminal.type(value.encode().decode("unicode_escape").encode())
        elif kind == "signal":
            os.kill(terminal.pid, signal.Signals[f"SIG{value}"])
        elif kind == "resize":
            columns, rows = map(int, value.split("x"))
            fcntl.ioctl(terminal.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        elif kind == "keys":
            if takes_lines(terminal):
                raise Failed("the terminal still takes whole lines")
        else:
            raise Failed(f"no such step: {step}")
    return terminal.wait_exit(options.timeout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], usage="%(prog)s [options] -- COMMAND ...")
    parser.add_argument("--step", action="append", default=[], metavar="STEP")
    parser.add_argument("--size", default=SIZE, metavar="COLUMNSxROWS")
    parser.add_argument("--timeout", type=float, default=30, metavar="SECONDS", help="for each step")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    terminal = Terminal(options.command, options.size)
    try:
        code, problem = run(terminal, options), None
    except Failed as error:
        code, problem = None, str(error)
    end = {"exit": code, "lines": takes_lines(terminal), "problem": problem}
    terminal.kill()
    sys.stdout.buffer.write(terminal.raw)
    sys.stdout.flush()
    print(json.dumps(end), file=sys.stderr)


if __name__ == "__main__":
    main()

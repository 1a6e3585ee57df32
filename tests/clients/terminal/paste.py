#!/usr/bin/env python3
"""Signs in at a terminal as a person does, with nothing but the standard library.

Runs a command in a real pseudo-terminal, reads the authorize URL off the screen, lets the sandbox's sign-in page
(which must answer by itself) approve it, and pastes the code or the whole redirected URL. Nobody fetches the redirect.
Prints the transcript without the code; exit 1 with the reason when anything differs from what was expected.
"""

import argparse
import errno
import fcntl
import os
import pty
import re
import select
import signal
import ssl
import struct
import subprocess
import sys
import termios
import time
import urllib.error
import urllib.request
from urllib.parse import parse_qs, urlsplit

AUTHORIZE_URL = r"(https?://\S+/oauth2/v1/auth\?\S+)"
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()][0-9A-B]")
CTRL_C = b"\x03"
SIZE = "80x24"


class Failed(Exception):
    """Something differs from what was expected."""


class Terminal:
    """A command with a pseudo-terminal of its own."""

    def __init__(self, command, size):
        columns, rows = map(int, size.split("x"))
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                # Before the command looks.
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
                os.execvp(command[0], command)
            except OSError as error:
                os.write(2, f"{command[0]}: {error.strerror}\n".encode())
                os._exit(127)
        self.raw = b""
        self.seen = 0
        self.status = None

    @property
    def text(self):
        return ESCAPES.sub("", self.raw.decode(errors="replace")).replace("\r\n", "\n")

    def read(self, deadline):
        """False when the terminal is closed."""
        left = max(0, deadline - time.monotonic())
        if not select.select([self.fd], [], [], min(left, 0.2))[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            data = b""
        self.raw += data
        return bool(data)

    def wait_for(self, pattern, seconds):
        """Waits for the pattern in what came after the previous match."""
        deadline = time.monotonic() + seconds
        alive = True
        while True:
            match = re.compile(pattern, re.MULTILINE).search(self.text, self.seen)
            # A match at the very end may still grow, as a URL does that comes in two pieces.
            if match and (not alive or match.end() < len(self.text) or not self.more_soon()):
                self.seen = match.end()
                return match
            if not alive:
                raise Failed(f"the command ended and never said /{pattern}/")
            if time.monotonic() > deadline:
                raise Failed(f"not said within {seconds:g} s: /{pattern}/")
            alive = self.read(deadline)

    def more_soon(self):
        return bool(select.select([self.fd], [], [], 0.2)[0])

    def type(self, data):
        while data:
            written = os.write(self.fd, data)
            data = data[written:]

    def wait_exit(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.read(min(deadline, time.monotonic() + 0.1))
            if self.has_ended():
                while self.read(time.monotonic()) and select.select([self.fd], [], [], 0)[0]:
                    pass
                return os.waitstatus_to_exitcode(self.status)
        raise Failed(f"the command did not end within {seconds:g} s")

    def has_ended(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = status
        return self.status is not None

    def kill(self):
        if not self.has_ended():
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


class StayHere(urllib.request.HTTPRedirectHandler):
    """A redirect is the answer; it is not followed."""

    def redirect_request(self, *_):
        return None


def approve(url, ca):
    """The URL to which the sign-in page sends the browser."""
    context = ssl.create_default_context()
    if ca:
        context.load_verify_locations(ca)
    opener = urllib.request.build_opener(
        StayHere, urllib.request.HTTPSHandler(context=context), urllib.request.ProxyHandler({})
    )
    try:
        with opener.open(url, timeout=15) as response:
            raise Failed(f"the sign-in page answered {response.status}, not a redirect: is it in automatic mode?")
    except urllib.error.HTTPError as answer:
        if answer.code not in (302, 303) or not answer.headers["Location"]:
            raise Failed(f"the sign-in page answered {answer.code}") from None
        return answer.headers["Location"]
    except urllib.error.URLError as error:
        raise Failed(f"the sign-in page cannot be reached: {error.reason}") from None


def pasted(redirect, options):
    """What the person pastes, line by line."""
    text = redirect
    if options.paste == "code":
        codes = parse_qs(urlsplit(redirect).query).get("code")
        if not codes:
            raise Failed("the sign-in page sent no code")
        text = codes[0]
    lines = [text[at : at + options.wrap] for at in range(0, len(text), options.wrap)] if options.wrap else [text]
    if options.blanks:
        lines = [f"  {lines[0]}", *lines[1:]]
        lines[-1] += " \t "
    return lines


def redacted(text, secrets):
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "<redacted>")
    return re.sub(r"\b(code|state|code_challenge)=[^&\s<]+", r"\1=<redacted>", text)


def run(terminal, options, secrets):
    url = terminal.wait_for(options.url_pattern, options.timeout).group(1)
    if options.first is not None:
        terminal.type(options.first.encode() + b"\n")
        terminal.wait_for(options.first_answer, options.timeout)
    redirect = approve(url, options.ca)
    answer = parse_qs(urlsplit(redirect).query)
    secrets.update(answer.get("code", []) + answer.get("state", []))
    lines = pasted(redirect, options)
    secrets.update(line.strip() for line in lines if line.strip())
    terminal.type(("\n".join(lines) + "\n").encode())
    terminal.wait_for(options.success, options.timeout)
    if options.check:
        if terminal.has_ended():
            raise Failed("the command ended before the check")
        code = subprocess.run(options.check, shell=True, timeout=options.timeout).returncode
        if code != 0:
            raise Failed(f"the check command ended with {code}")
    if options.then == "interrupt":
        terminal.type(CTRL_C)
    code = terminal.wait_exit(options.timeout)
    if code != options.expect_exit:
        raise Failed(f"exit code {code}, expected {options.expect_exit}")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], usage="%(prog)s [options] -- COMMAND ...")
    add = parser.add_argument
    add("--url-pattern", default=AUTHORIZE_URL, metavar="REGEX", help="group 1 is the authorize URL")
    add("--ca", metavar="FILE", help="also trust this CA for the sign-in page")
    add("--paste", choices=["code", "url"], default="code")
    add("--blanks", action="store_true", help="blanks around what is pasted")
    add("--wrap", type=int, metavar="COLUMNS", help="break what is pasted into lines, as a mail program does")
    add("--first", metavar="TEXT", help="type this wrong answer first")
    add("--first-answer", metavar="REGEX", help="what the command must say to it")
    add("--success", required=True, metavar="REGEX", help="what the command must say at last")
    add("--check", metavar="COMMAND", help="shell command that must succeed while the command still runs")
    add("--then", choices=["exit", "interrupt"], default="exit", help="it ends by itself, or by Ctrl+C")
    add("--expect-exit", type=int, default=0, metavar="CODE")
    add("--size", default=SIZE, metavar="COLUMNSxROWS", help="of the terminal; by default %(default)s")
    add("--timeout", type=float, default=30, metavar="SECONDS", help="for each step")
    add("command", nargs="+")
    options = parser.parse_args()
    if (options.first is None) != (options.first_answer is None):
        parser.error("--first and --first-answer belong together")
    return options


def main():
    options = parse()
    secrets = set()
    terminal = Terminal(options.command, options.size)
    try:
        run(terminal, options, secrets)
        problem = None
    except (Failed, subprocess.TimeoutExpired) as error:
        problem = str(error)
    finally:
        terminal.kill()
    print(redacted(terminal.text, secrets).rstrip())
    if problem:
        sys.exit(f"paste.py: {redacted(problem, secrets)}")


if __name__ == "__main__":
    main()

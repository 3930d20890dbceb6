"""Runs a program on a terminal of its own and answers what it asks.

Usage: prompts.py '[["prompt", "answer"], ...]' PROGRAM ARGUMENT...

Prints what the terminal showed and ends as the program did; an answer that was shown is an error.
"""

import json
import os
import pty
import sys
import termios
import time


def hidden(terminal):
    """Waits, for a while, until the terminal shows no answers: programs ask first, then hide."""
    local_flags = 3
    for _ in range(1000):
        if not termios.tcgetattr(terminal)[local_flags] & termios.ECHO:
            return
        time.sleep(0.01)


def main(script, *command):
    child, terminal = pty.fork()
    if child == 0:
        os.execv(command[0], command)
    shown = b""

    def read():
        try:
            return os.read(terminal, 4096)
        except OSError:
            # The program has gone, and its terminal with it.
            return b""

    seen = 0
    for prompt, answer in json.loads(script):
        while prompt.encode() not in shown[seen:]:
            piece = read()
            if not piece:
                sys.exit(f"{prompt!r} was never asked: {shown!r}")
            shown += piece
        seen = len(shown)
        hidden(terminal)
        os.write(terminal, answer.encode() + b"\n")
    while piece := read():
        shown += piece
    print(shown.decode().replace("\r\n", "\n"), end="")
    if any(answer.encode() in shown for _, answer in json.loads(script)):
        sys.exit("an answer was shown")
    _, status = os.waitpid(child, 0)
    sys.exit(os.waitstatus_to_exitcode(status))


main(*sys.argv[1:])

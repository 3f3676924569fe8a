"""The editor: which one, and running it as a shell would."""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

#: What is taken when neither VISUAL nor EDITOR says anything.
FALLBACKS = ("sensible-editor", "editor", "nano", "vim", "vi")

#: Seconds that an editor has to save its own things when we are told to end.
FAREWELL = 2.0


class NoEditor(Exception):
    """There is none. The text is a sentence."""


class Ended(Exception):
    """A signal tells us to end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def choose(environment: Mapping[str, str]) -> list[str]:
    """The editor's command, with its arguments. Raises NoEditor."""
    for name in ("VISUAL", "EDITOR"):
        try:
            words = shlex.split(environment.get(name, ""))
        except ValueError as error:
            raise NoEditor(f"${name} cannot be read: {error}") from None
        if words and not shutil.which(words[0]):
            raise NoEditor(f"${name} names an editor that is not there: {words[0]}")
        if words:
            return words
    found = next((name for name in FALLBACKS if shutil.which(name)), None)
    if found is None:
        raise NoEditor("there is no editor: set EDITOR to the one you like")
    return [found]


def run(words: list[str], path: Path) -> str:
    """Let the editor work on a file; how it failed, "" if it did not. Raises Ended, after telling it to the editor."""
    with _its_own_terminal():
        try:
            process = subprocess.Popen([*words, str(path)])
        except OSError as error:
            return f"cannot be started: {error.strerror}"
        try:
            status = process.wait()
        except Ended as ended:
            process.send_signal(ended.number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(FAREWELL)
            raise
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"failed with exit status {status}" if status else ""


@contextmanager
def _its_own_terminal() -> Iterator[None]:
    """^C and ^\\ are the editor's while it runs, and it may be killed before it puts the terminal back in order."""
    # A function and not SIG_IGN: that would be inherited.
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGQUIT)}
    mode = None
    with suppress(termios.error, OSError, ValueError):
        mode = termios.tcgetattr(sys.stdin.fileno())
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)
        if mode is not None:
            with suppress(termios.error, OSError):
                termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, mode)

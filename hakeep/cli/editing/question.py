"""Asking somebody at a terminal, who may think it over, suspend us, or go away."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from types import FrameType


def can_ask() -> bool:
    """True if there is somebody."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def ask(question: str, answers: Mapping[str, str]) -> str:
    """The letter of the answer that was chosen, of letter -> words such as "(e)dit again". Raises EOFError when the
    terminal has gone, KeyboardInterrupt for ^C."""
    prompt = f"{question} {', '.join(answers.values())}? ".encode()
    sys.stdout.flush()

    def again(number: int, frame: FrameType | None) -> None:
        """We were suspended and the shell's own words stand where the question stood."""
        os.write(sys.stdout.fileno(), prompt)  # a stream must not be used where it may be in use already

    before = signal.signal(signal.SIGCONT, again)
    try:
        while True:
            os.write(sys.stdout.fileno(), prompt)
            if not (line := sys.stdin.readline()):
                raise EOFError
            letter = line.strip().lower()[:1]
            if letter in answers and letter:
                return letter
    finally:
        signal.signal(signal.SIGCONT, before)

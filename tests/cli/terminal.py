"""A command in a real pseudo-terminal of its own, as its controlling terminal, and what it shows."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOL = (sys.executable, "-m", "hakeep.cli.hakeep")
PATIENCE = 30.0


class Terminal:
    """Runs `words`. A context manager: what still runs at its end is killed."""

    def __init__(self, *words: str, environment: Mapping[str, str], folder: Path) -> None:
        self.shown = ""
        self.status: int | None = None
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(folder)
                os.execve(words[0], words, {"PATH": os.environ["PATH"], "TERM": "dumb", "PYTHONPATH": str(ROOT),
                                            **environment})
            finally:
                os._exit(127)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)

    def hang_up(self) -> None:
        """The terminal goes away."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def until(self, words: str) -> str:
        """What was shown up to and with these words; the next call starts behind them."""
        deadline = time.monotonic() + PATIENCE
        while words not in self.shown:
            assert self._read(deadline), f"ended before {words!r}: {self.shown!r}"
        before, _, self.shown = self.shown.partition(words)
        return before + words

    def end(self) -> tuple[int, str]:
        """The exit status (negative: a signal) and what was shown since the last `until`."""
        deadline = time.monotonic() + PATIENCE
        while self._fd >= 0 and self._read(deadline):
            pass
        while self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            else:
                assert time.monotonic() < deadline, "it does not end"
                time.sleep(0.01)
        return self.status, self.shown

    def stopped(self) -> None:
        """Returns when the command is suspended."""
        pid, status = os.waitpid(self.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), f"{pid} is not stopped but {status}"

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._fd], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"nothing more is shown: {self.shown!r}"
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # EIO: nobody has the other end open
            return False
        self.shown += data.decode().replace("\r\n", "\n")
        return bool(data)

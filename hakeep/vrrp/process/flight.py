"""The flight recorder: what the engine was told lately, written down when somebody wants to know, or when we die."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from hakeep import recordings
from hakeep.errands import Errands
from hakeep.notify.launcher import calm_down
from hakeep.vrrp import messages as m
from hakeep.vrrp.recording import Recorder, encode
from hakeep.worker import Log

#: What is caught while serving; a child of ours is not to catch it.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def write_recording(
    recorder: Recorder, directory: Path, errands: Errands, log: Log, why: str,
    done: Callable[[bytes], None] | None = None,
) -> None:
    """Write down what is recorded. A child does it, so that no advert waits, and if we die it stays.

    `done` is called with the path, b"" when it failed; without it nobody waits for the child.
    """
    name = recordings.file_name(os.getpid(), time.time())

    def work() -> bytes:
        calm_down()
        recording = recorder.take(time.time() - time.monotonic())
        path = recordings.store(directory, name, encode(recording, os.urandom(32)))
        log(m.Level.NOTICE, f"flight recorder written {why}: {path}")
        return os.fsencode(path) if done is not None else b""

    errands.send("writing the flight recorder", work, done or (lambda _: None), (*SIGNALS, signal.SIGQUIT))

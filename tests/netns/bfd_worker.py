"""Runs a BFD worker by itself: `bfd_worker.py CONFIG`, with what it says to its parent as JSON lines on its output.

Each line has the wall clock time at which it was read, `heard`. TERM stops the worker, HUP has it read CONFIG again,
USR1 kills it and starts another one with what it left, USR2 asks for a snapshot.
"""

from __future__ import annotations

import json
import os
import pickle
import select
import signal
import sys
import time
from typing import Any

from hakeep.bfd import process
from hakeep.config.files import load
from hakeep.config.settled_bfd import BfdSettings
from hakeep.offspring import fork_worker
from hakeep.worker import Line, Log


class Parent:
    """What the supervisor is to the worker."""

    def __init__(self, config: str) -> None:
        self.config = config
        self.memory: dict[str, Any] = {}
        self.log = Log("bfd_worker", console=True, facility=None, detail=True)
        self.pid, self.line = self.spawn()

    def settings(self) -> BfdSettings:
        return load(self.config).settings.bfd or BfdSettings()

    def spawn(self) -> tuple[int, Line]:
        settings, parent = self.settings(), os.getpid()

        def be_worker(line: Line) -> int:
            return process.main(settings, line, self.log, process.Start(parent=parent, memory=self.memory))

        return fork_worker(be_worker, self.log)

    def signalled(self, number: int) -> None:
        match number:
            case signal.SIGTERM:
                self.line.send({"do": "stop"})
            case signal.SIGHUP:
                self.line.send_blob(pickle.dumps(self.settings()))
            case signal.SIGUSR1:
                os.kill(self.pid, signal.SIGKILL)
            case signal.SIGUSR2:
                self.line.send({"do": "snapshot"})

    def listen(self) -> int | None:
        """Print what the worker says; its exit status when it has ended by itself."""
        for message in self.line.receive():
            if message.body["do"] == "remember":
                self.memory |= message.body["sessions"]
            line = json.dumps({"heard": time.time(), **message.body}) + "\n"
            os.write(1, line.encode())  # at once, for the log goes there as well
        if not self.line.closed:
            return None
        self.line.close()
        _, status = os.waitpid(self.pid, 0)
        if not os.WIFSIGNALED(status):
            return os.waitstatus_to_exitcode(status)
        self.memory = {name: memory for name, memory in self.memory.items() if memory}
        self.pid, self.line = self.spawn()
        return None


def main() -> int:
    parent = Parent(sys.argv[1])
    inside, outside = os.pipe2(os.O_NONBLOCK)
    signal.set_wakeup_fd(outside)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, lambda *_: None)
    while True:
        ready, _, _ = select.select([inside, parent.line.fileno()], [], [])
        if inside in ready:
            for number in os.read(inside, 64):
                parent.signalled(number)
        elif (status := parent.listen()) is not None:
            return status


if __name__ == "__main__":
    sys.exit(main())

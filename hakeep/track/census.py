"""Which processes count, and whether they are enough: the judgement of a vrrp_track_process.

A process is known by its name, as the kernel has it (15 bytes), or by its command line. All is well while there are at
least `quorum` and at most `quorum_max` of them. A change that comes with more processes must last `fork_delay`, one
that comes with fewer `terminate_delay`; if all is as before by then, nothing was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hakeep.config.settled_track import TrackProcess

#: Bytes of a name that the kernel keeps (TASK_COMM_LEN - 1).
NAME_LENGTH = 15

NEVER = float("inf")


class Likeness:
    """Tells whether a process is one of those of `thing`."""

    def __init__(self, thing: TrackProcess) -> None:
        self.by_command_line = bool(thing.full_command or thing.parameters or thing.param_match)
        self._thing = thing
        self._short = _last(thing.command).encode()[:NAME_LENGTH].decode(errors="ignore")

    def fits_name(self, comm: str) -> bool:
        """By its name alone; for what does not go `by_command_line`."""
        return comm == self._short

    def fits(self, command_line: Sequence[str]) -> bool:
        """By its command line: the command as it was called, and the parameters (see keepalived.conf(5))."""
        if not command_line:
            return False  # a kernel thread, or one that has ended
        return command_line[0] == self._thing.command and self._parameters_fit(command_line[1:])

    def _parameters_fit(self, arguments: Sequence[str]) -> bool:
        wanted = list(self._thing.parameters)
        there = list(arguments)
        match self._thing.param_match:
            case "partial":  # the first ones are the same
                return there[: len(wanted)] == wanted
            case "initial":  # and the last of those may be longer
                there = there[: len(wanted)]
                return len(there) == len(wanted) and (
                    not wanted or (there[:-1] == wanted[:-1] and there[-1].startswith(wanted[-1])))
            case "exact":
                return there == wanted
        return not wanted or there == wanted


class Census:
    """The processes of one thing. `well` is None until they have been counted for the first time."""

    def __init__(self, quorum: int = 1, quorum_max: int | None = None, fork_delay: float = 0.0,
                 terminate_delay: float = 0.0) -> None:  # fmt: skip
        self._quorum = quorum
        self._quorum_max = quorum_max
        self._fork_delay = fork_delay
        self._terminate_delay = terminate_delay
        self._pids: set[int] = set()
        self.well: bool | None = None
        self.deadline = NEVER
        self._delay = ""

    def __contains__(self, pid: int) -> bool:
        return pid in self._pids

    def __len__(self) -> int:
        return len(self._pids)

    @property
    def delay(self) -> str:
        """Which delay runs: "fork", "terminate", "" = none."""
        return self._delay if self.deadline < NEVER else ""

    def set(self, pid: int, counts: bool, now: float) -> bool:
        """Whether this process counts. True when the judgement changed."""
        if (pid in self._pids) == counts:
            return False
        (self._pids.add if counts else self._pids.discard)(pid)
        return self._weigh(now, more=counts)

    def replace(self, pids: Iterable[int], now: float) -> bool:
        """These are all that count. True when the judgement changed."""
        before, self._pids = len(self._pids), set(pids)
        return self._weigh(now, at_once=self.well is None, more=len(self._pids) > before)

    def tick(self, now: float) -> bool:
        """Time has passed. True when the judgement changed."""
        if now < self.deadline:
            return False
        self.well, self.deadline = not self.well, NEVER
        return True

    def _weigh(self, now: float, *, more: bool, at_once: bool = False) -> bool:
        count = len(self._pids)
        enough = self._quorum <= count and (self._quorum_max is None or count <= self._quorum_max)
        if enough is self.well:
            self.deadline = NEVER
            return False
        delay = self._fork_delay if more else self._terminate_delay
        if delay and not at_once:
            if now + delay < self.deadline:
                self.deadline, self._delay = now + delay, "fork" if more else "terminate"
            return False
        self.well, self.deadline = enough, NEVER
        return True


def _last(path: str) -> str:
    return path.rpartition("/")[2]

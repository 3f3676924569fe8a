"""track_file: the number that a file begins with.

The directory is watched, not the file: it may be replaced, and it need not be there. Where the directory is missing the
nearest one above it that exists is watched, until there is more of the way to go. A file that is closed after writing,
moved or deleted is read again at once, but at most twenty times a second. Now and then it is looked at anyway: nobody
tells of what is changed on another host, behind a link, or by somebody who keeps the file open.

To look at a file may take for ever on a file server that is gone: that is done in a thread, and only this file waits.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import trio

from hakeep.config.settled_track import TrackFile, Tracking, Watched
from hakeep.kernel import inotify
from hakeep.kernel.inotify import Happened, Inotify
from hakeep.track.number import LENGTH, is_gibberish, leading_number
from hakeep.track.standing import PACE, Key, Standing
from hakeep.track.telling import Teller
from hakeep.worker import ERROR, NOTICE, WARNING

#: Seconds between two looks at a file of which nothing is heard.
LOOK = 2.0

#: Seconds after which a look that does not end is spoken of.
PATIENCE = 5.0

#: What is said of a file that is not there. That may be meant so, or its name is misspelt.
NO_FILE = "there is no such file: it counts as 0"

#: What is asked of the directory of a file, of the nearest one where that is missing, and of those above.
_ENTRIES = inotify.CREATE | inotify.MOVED_FROM | inotify.MOVED_TO | inotify.DELETE
_HERE = inotify.CLOSE_WRITE | _ENTRIES
_ABOVE = inotify.DELETE_SELF | inotify.MOVE_SELF

#: The way to the file has changed.
_WAY = _ABOVE | inotify.IGNORED | inotify.UNMOUNT


@dataclass(slots=True, eq=False)
class Watching:
    """A file. `stirred` is set when there may be news of it, `lost` when the way to it has to be walked again; `linked`
    when another entry of its directory may lead to it."""

    thing: TrackFile
    standing: Standing
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    stirred: trio.Event = field(default_factory=trio.Event)
    lost: bool = True
    linked: bool = False
    watches: frozenset[int] = frozenset()
    initial: int | None = None  # what is to be written first
    data: bytes | None = None  # what it began with
    complaint: str = ""

    def stir(self, lost: bool = False) -> None:
        """There may be news."""
        self.lost = self.lost or lost
        self.stirred.set()


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a file brought: how it begins, None when there is no such file. `watches` None = as before.
    `complaint`: what is wrong with it."""

    data: bytes | None
    watches: frozenset[int] | None = None
    complaint: str = ""
    linked: bool = False


class Files:
    """The room of files. Only the `first` worker writes what init_file asks for, and for files that a reload adds."""

    def __init__(self, teller: Teller, first: bool) -> None:
        self._teller = teller
        self._initialise = first
        self._files: dict[Key, Watching] = {}
        self._inotify: Inotify | None = None
        self._by_watch: dict[int, set[Watching]] = {}
        self._walking: set[Watching] = set()
        self._nursery: trio.Nursery | None = None

    def follow(self, tracking: Tracking, things: Iterable[tuple[Key, Watched]]) -> None:
        """Watch these. What stays as it is goes on as it was."""
        wanted = {key: thing for key, thing in things if isinstance(thing, TrackFile)}
        for key, watching in list(self._files.items()):
            if wanted.get(key) != watching.thing:
                del self._files[key]
                watching.scope.cancel()
        for key, thing in wanted.items():
            if key not in self._files:
                watching = self._files[key] = Watching(thing, self._teller.begin(key))
                watching.initial = thing.init if self._initialise else None
                self._begin(watching)
        self._initialise = True

    def _begin(self, watching: Watching) -> None:
        if self._nursery is not None:
            self._nursery.start_soon(self._attend, watching)

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                for watching in self._files.values():
                    watching.scope, watching.lost = trio.CancelScope(), True
                    self._begin(watching)
                await self._hear()
        finally:
            self._nursery = None
            self._by_watch.clear()
            self._walking.clear()
            if self._inotify is not None:
                self._inotify.close()
                self._inotify = None

    # ------------------------------------------------------------------------------------------------- the kernel

    async def _hear(self) -> None:
        """Without inotify the looks now and then are all there is."""
        try:
            self._inotify = Inotify()
        except OSError as error:
            self._teller.log(WARNING, f"no news of files, looking every {LOOK:g} s instead: {error.strerror}")
            await trio.sleep_forever()
        assert self._inotify is not None
        for watching in self._files.values():
            watching.stir(lost=True)
        while True:
            await trio.lowlevel.wait_readable(self._inotify.fileno())
            for happened in self._inotify.receive():
                self._note(happened)

    def _note(self, happened: Happened) -> None:
        if happened.mask & inotify.OVERFLOW:
            for watching in self._files.values():
                watching.stir(lost=True)
            return
        # The way of some may just be walked by a thread: this may be a watch that will turn out to be theirs.
        for watching in self._by_watch.get(happened.watch, set()) | self._walking:
            lost = bool(happened.mask & _WAY)
            path = watching.thing.path
            if happened.mask & _ENTRIES and f"/{happened.name}/" in path:  # a directory on the way
                watching.stir(lost=True)
            elif lost or watching.linked or path.endswith(f"/{happened.name}"):
                watching.stir(lost)
        if happened.mask & inotify.IGNORED:
            self._by_watch.pop(happened.watch, None)

    def _take_watches(self, watching: Watching, watches: frozenset[int]) -> None:
        for watch in watching.watches - watches:
            users = self._by_watch.get(watch, set())
            users.discard(watching)
            if not users:
                self._by_watch.pop(watch, None)
                if self._inotify is not None:
                    self._inotify.forget(watch)
        for watch in watches:
            self._by_watch.setdefault(watch, set()).add(watching)
        watching.watches = watches

    # ------------------------------------------------------------------------------------------------- one file

    async def _attend(self, watching: Watching) -> None:
        """Read it when there is news, and no more often than may be told."""
        with watching.scope:
            while True:
                try:
                    await self._look(watching)
                except Exception as error:
                    self._complain(watching, f"cannot be watched: {error!r}")
                await trio.sleep(PACE)
                with trio.move_on_after(LOOK) as patience:
                    await watching.stirred.wait()
                watching.lost = watching.lost or patience.cancelled_caught
        self._take_watches(watching, frozenset())

    async def _look(self, watching: Watching) -> None:
        watching.stirred = trio.Event()
        walk, watching.lost = watching.lost, False
        initial, watching.initial = watching.initial, None
        notifier = self._inotify
        began = trio.current_time()
        if walk:
            self._walking.add(watching)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._grow_impatient, watching)
            look = await trio.to_thread.run_sync(
                look_at, watching.thing, initial, notifier if walk else None, abandon_on_cancel=True)
            nursery.cancel_scope.cancel()
        self._walking.discard(watching)
        if look.watches is not None and notifier is self._inotify:
            self._take_watches(watching, look.watches)
        watching.linked = look.linked
        self._read(watching, look, trio.current_time() - began)

    async def _grow_impatient(self, watching: Watching) -> None:
        await trio.sleep(PATIENCE)
        self._complain(watching, "its file system does not answer: the number stays as it was")

    def _read(self, watching: Watching, look: Look, latency: float) -> None:
        number, complaint = leading_number(look.data or b""), look.complaint
        if number is None:
            number = watching.standing.value
            complaint = f"its number needs more than 32 bits: {number} stays in force"
        why = complaint or (NO_FILE if look.data is None else f"the number is {number}")
        if look.data != watching.data or not watching.standing.runs:
            if look.data is None and not watching.standing.runs:
                self._teller.log(NOTICE, f"track_file {watching.thing.name}: {watching.thing.path}: {NO_FILE}")
            watching.data = look.data
            watching.standing.looked(not complaint, complaint or why, latency)
            self._teller.counted()
        self._complain(watching, complaint)
        self._teller.judge(watching.standing, True, why, number)

    def _complain(self, watching: Watching, complaint: str) -> None:
        if complaint and complaint != watching.complaint:
            self._teller.log(ERROR, f"track_file {watching.thing.name}: {watching.thing.path}: {complaint}")
        watching.complaint = complaint


# ------------------------------------------------------------------------------------------------- in a thread


def look_at(thing: TrackFile, initial: int | None, walk: Inotify | None) -> Look:
    """Read how the file begins. Before that, write the `initial` number, and `walk` the way to it, watching."""
    refusal = _refusal(thing.path)
    if refusal:
        return Look(None, None, refusal)
    complaint = _write(thing, initial) if initial is not None else ""
    watches, trouble = _walk(thing.path, walk) if walk is not None else (None, "")
    data, problem = _read_file(thing.path)
    return Look(data, watches, problem or complaint or trouble, Path(thing.path).is_symlink())


def _refusal(path: str) -> str:
    """Why a file on this file system cannot be tracked; "" where it can."""
    if not path.startswith("/"):
        return "its path is not absolute"
    for place in (Path(path), *Path(path).parents):
        with suppress(OSError):
            system = inotify.silent_file_system(str(place))
            return f"a {system} file system does not tell of changes: no number is read from it" if system else ""
    return ""


def _write(thing: TrackFile, number: int) -> str:
    """Write the first number; returns what went wrong."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        fd = os.open(thing.path, flags | (os.O_TRUNC if thing.overwrite else os.O_EXCL), 0o644)
    except FileExistsError:
        return ""
    except OSError as error:
        return f"its first number cannot be written: {_reason(error)}"
    with os.fdopen(fd, "w") as file:
        file.write(f"{number}\n")
    return ""


def _walk(path: str, watcher: Inotify) -> tuple[frozenset[int], str]:
    """Watch the directory of the file, or the nearest one that is there, and those above for being moved. Returns the
    watches, and what went wrong."""
    watches: set[int] = set()
    mask, above = _HERE | _ABOVE, False
    for place in Path(path).parents:
        try:
            watches.add(watcher.watch(str(place), _ABOVE if above else mask))
        except (FileNotFoundError, NotADirectoryError):
            mask = _ENTRIES | _ABOVE
        except OSError as error:
            if not above:
                return frozenset(watches), f"no news of it, looking every {LOOK:g} s instead: {_reason(error)}"
        else:
            above = True
    return frozenset(watches), ""


def _read_file(path: str) -> tuple[bytes | None, str]:
    """How it begins, None when it is not there; and why it cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return b"", "not a regular file: it counts as 0"
            data = os.read(fd, LENGTH)
            return data, "it does not begin with a number and counts as 0" if is_gibberish(data) else ""
        finally:
            os.close(fd)
    except (FileNotFoundError, NotADirectoryError):
        return None, ""
    except OSError as error:
        return b"", f"it cannot be read and counts as 0: {_reason(error)}"


def _reason(error: OSError) -> str:
    return (error.strerror or "unknown error").lower()

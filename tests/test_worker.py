"""The ground that processes stand on: log, line, shared page."""

from __future__ import annotations

import os
import pickle
import resource
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.vrrp.messages import State
from hakeep.worker import FDS_MAX, SLOT_SIZE, SLOTS, Line, Log, SharedPage, name_check

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def pair():
    parent, worker = socket.socketpair()
    ends = Line(parent, trusting=False), Line(worker, trusting=True)
    yield ends
    for end in ends:
        end.close()


# --- the line


def test_messages_arrive_whole_and_in_order(pair: tuple[Line, Line]) -> None:
    parent, worker = pair
    worker.send({"do": "one"})
    worker.send({"do": "two", "list": [1, 2]})
    assert [message.body for message in parent.receive()] == [{"do": "one"}, {"do": "two", "list": [1, 2]}]


def test_a_large_message_arrives_in_pieces(pair: tuple[Line, Line]) -> None:
    parent, worker = pair
    worker.send({"do": "snapshot", "text": "x" * 3_000_000})
    assert worker.waiting
    got = []
    for _ in range(1000):
        got += parent.receive()
        worker.flush()
        if got:
            break
    assert len(got[0].body["text"]) == 3_000_000
    assert not worker.waiting


def test_only_the_worker_unpickles(pair: tuple[Line, Line]) -> None:
    parent, worker = pair
    parent.send_blob(pickle.dumps(("settings", 1)))
    assert worker.receive()[0].body == ("settings", 1)
    worker.send_blob(pickle.dumps(("evil", 1)))
    assert parent.receive() == []


def test_descriptors_travel_with_their_message(pair: tuple[Line, Line]) -> None:
    parent, worker = pair
    reader, writer = os.pipe()
    worker.send({"do": "other"})
    worker.send({"do": "sockets", "fds": ["key"]}, (writer,))
    other, sockets = parent.receive()
    assert other.fds == []
    os.write(sockets.fds[0], b"hello")
    assert os.read(reader, 5) == b"hello"
    for fd in (reader, writer, *sockets.fds):
        os.close(fd)


def pipes(count: int) -> tuple[list[int], list[int]]:
    pairs = [os.pipe() for _ in range(count)]
    return [reader for reader, _ in pairs], [writer for _, writer in pairs]


def close(*groups: list[int]) -> None:
    for fd in (fd for group in groups for fd in group):
        os.close(fd)


def which(reader: int, fds: list[int]) -> list[int]:
    """The places of those descriptors that write into this pipe."""
    inode = os.fstat(reader).st_ino
    return [place for place, fd in enumerate(fds) if os.fstat(fd).st_ino == inode]


def test_descriptors_of_several_messages_are_not_mixed_up(pair: tuple[Line, Line]) -> None:
    parent, worker = pair
    readers, writers = pipes(150)
    for begin in range(0, 150, FDS_MAX):
        some = writers[begin : begin + FDS_MAX]
        worker.send({"do": "sockets", "fds": [str(fd) for fd in some]}, some)
        worker.send({"do": "other"})
    messages = [message for message in parent.receive() if message.body["do"] == "sockets"]
    assert [len(message.fds) for message in messages] == [60, 60, 30]
    found = [fd for message in messages for fd in message.fds]
    assert [which(reader, found) for reader in readers] == [[place] for place in range(150)]
    close(readers, writers, found)


def test_descriptors_wait_for_a_full_line(pair: tuple[Line, Line]) -> None:
    """They may be closed, and their numbers given away, before the line has room for them."""
    parent, worker = pair
    (reader,), (writer,) = pipes(1)
    worker.send({"do": "snapshot", "text": "x" * 3_000_000})
    worker.send({"do": "sockets", "fds": ["key"]}, [writer])
    os.close(writer)
    got = []
    while len(got) < 2:
        got += parent.receive()
        worker.flush()
    assert which(reader, got[1].fds) == [0]
    close([reader], got[1].fds)


def test_descriptors_that_find_no_room_are_not_taken_for_others(pair: tuple[Line, Line]) -> None:
    parent, worker = pair
    readers, writers = pipes(10)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())  # other tests may have some open
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 20, hard))
    try:
        worker.send({"do": "sockets", "fds": ["a", "b"]}, writers[:2])
        worker.send({"do": "sockets", "fds": ["c"]}, writers[2:3])
        hoard = []
        with suppress(OSError):
            while True:
                hoard.append(os.dup(0))
        os.close(hoard.pop())
        got = parent.receive()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [message.fds for message in got] == [[], []]
    close(readers, writers, hoard)


def test_a_line_that_is_closed_keeps_no_descriptor(pair: tuple[Line, Line]) -> None:
    _, worker = pair
    (reader,), (writer,) = pipes(1)
    worker.send({"do": "snapshot", "text": "x" * 3_000_000})
    worker.send({"do": "sockets", "fds": ["key"]}, [writer])
    os.close(writer)
    worker.close()
    assert os.read(reader, 1) == b"", "nobody has the other end any more"
    os.close(reader)


def test_the_end_of_the_other_side_is_noticed(pair: tuple[Line, Line]) -> None:
    parent, worker = pair
    worker.send({"do": "last"})
    worker.close()
    assert [message.body for message in parent.receive()] == [{"do": "last"}]
    assert parent.closed
    parent.send({"do": "into the void"})  # no exception


# --- the page


def test_a_slot_is_read_back() -> None:
    page = SharedPage()
    page.write(3, name_check("VI_1"), State.MASTER, 12.5, 77)
    page.remember(3, {"ah_sequence": 5})
    slot = page.read(3, "VI_1")
    assert slot is not None
    assert (slot.state, slot.last_sent, slot.ident, slot.memory) == (State.MASTER, 12.5, 77, {"ah_sequence": 5})
    page.write(3, name_check("VI_1"), State.BACKUP, 13.0, 78)
    again = page.read(3, "VI_1")
    assert again is not None and again.memory == {"ah_sequence": 5}, "the memory outlives the next write"


def test_an_advert_changes_two_numbers_of_a_slot() -> None:
    page = SharedPage()
    page.write(3, name_check("VI_1"), State.MASTER, 12.5, 77, 4.25)
    page.remember(3, {"ah_sequence": 5})
    page.sent(3, 13.5, 78)
    page.sent(SLOTS, 13.5, 78)
    slot = page.read(3, "VI_1")
    assert slot is not None
    assert (slot.state, slot.last_sent, slot.ident, slot.memory) == (State.MASTER, 13.5, 78, {"ah_sequence": 5})
    assert slot.since == 4.25


def test_a_slot_of_another_router_is_not_believed() -> None:
    page = SharedPage()
    page.write(0, name_check("VI_1"), State.MASTER, 1.0, 1)
    assert page.read(0, "VI_2") is None
    assert page.read(1, "VI_1") is None


def test_a_worker_that_died_while_writing_leaves_no_memory() -> None:
    page = SharedPage()
    page.write(0, name_check("V"), State.MASTER, 1.0, 1)
    page.remember(0, {"ah_sequence": 5})
    page._page[4096 + 34] = 0xFF
    slot = page.read(0, "V")
    assert slot is not None and slot.memory == {}


def test_what_does_not_fit_is_left_out() -> None:
    page = SharedPage()
    page.write(0, name_check("V"), State.MASTER, 1.0, 1)
    page.remember(0, {"key": "x" * SLOT_SIZE})
    slot = page.read(0, "V")
    assert slot is not None and slot.memory == {}
    page.write(SLOTS, name_check("V"), State.MASTER, 1.0, 1)
    assert page.read(SLOTS, "V") is None


def test_the_page_is_shared_with_children() -> None:
    page = SharedPage()
    pid = os.fork()
    if pid == 0:
        page.beat(42.0)
        os._exit(0)
    os.waitpid(pid, 0)
    assert page.heartbeat == 42.0


def filled(*names: str) -> SharedPage:
    """A page on which these are MASTER; the time of the last advert is the place, from 1 on."""
    page = SharedPage()
    for index, name in enumerate(names):
        page.write(index, name_check(name), State.MASTER, index + 1.0, 7)
        page.remember(index, {"name": name})
    return page


@given(st.permutations(["A", "B", "C", "D"]))
def test_routers_keep_what_is_known_of_them_in_another_order(order: list[str]) -> None:
    page = filled("A", "B", "C", "D")
    page.rearrange(order, ["A", "B", "C", "D"])
    slots = [page.read(index, name) for index, name in enumerate(order)]
    assert [slot and slot.memory for slot in slots] == [{"name": name} for name in order]


def test_a_worker_that_died_between_two_orders() -> None:
    page = filled("A", "B", "C")
    page.write(0, name_check("C"), State.MASTER, 9.0, 8)  # the first of C B A; the others are where they were
    page.rearrange(["A", "B", "C"], ["C", "B", "A"])
    assert page.read(0, "A") is None, "it is lost"
    kept = page.read(1, "B")
    newest = page.read(2, "C")
    assert kept is not None and kept.last_sent == 2.0
    assert newest is not None and newest.last_sent == 9.0


def test_who_is_new_has_no_past() -> None:
    page = filled("A", "B")
    page.rearrange(["N", "B", "M"], ["A", "B"])
    assert page.read(0, "N") is None and page.read(0, "A") is None and page.read(2, "M") is None
    assert page.read(1, "B") is not None


@given(st.text(min_size=1))
def test_every_name_has_a_check(name: str) -> None:
    assert 0 < name_check(name) < 2**32


# --- the log


def stderr_into(fd: int) -> int:
    kept = os.dup(2)
    os.dup2(fd, 2)
    return kept


def test_a_full_pipe_costs_lines_and_says_so() -> None:
    reader, writer = os.pipe()
    kept = stderr_into(writer)
    try:
        log = Log("test", console=True, facility=None, detail=False)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
    for _ in range(2000):
        log(5, "x" * 100)  # nobody reads: must not block
    assert log.dropped > 0
    os.set_blocking(reader, False)
    while True:
        try:
            if not os.read(reader, 1 << 20):
                break
        except BlockingIOError:
            break
    log(5, "after")
    said = os.read(reader, 1 << 16).decode()
    assert "log lines were lost" in said and "after" in said
    os.close(reader)
    os.close(writer)


def test_a_file_is_written_in_order_by_all_who_share_it(tmp_path: Path) -> None:
    """A shell's >file has no O_APPEND: whoever had a place of his own in the file would overwrite others."""
    path = tmp_path / "log"
    program = """
import os, sys
from hakeep.worker import Log
print("before the log", file=sys.stderr)
log = Log("test", console=True, facility=None, detail=False)
log(5, "from the log")
print("past the log", file=sys.stderr, flush=True)
if os.fork() == 0:
    log.child("worker")(5, "from a child")
    os._exit(0)
os.wait()
os.write(2, b"by the interpreter\\n")
log(5, "from the log again")
"""
    with path.open("w") as file:
        subprocess.run([sys.executable, "-c", program], stderr=file, check=True, cwd=ROOT)
        subprocess.run(["echo", "by the shell afterwards"], stdout=file, check=True)
    lines = [line.rpartition(": ")[2] for line in path.read_text().splitlines()]
    assert lines == ["before the log", "from the log", "past the log", "from a child", "by the interpreter",
                     "from the log again", "by the shell afterwards"]


@pytest.mark.parametrize("make", [os.pipe, socket.socketpair])
def test_in_the_background_nobody_waits_for_us(make: Callable[[], tuple[Any, Any]]) -> None:
    """``$(hakeepd 2>&1)`` ends when the daemon has gone into the background."""
    reader, writer = (end if isinstance(end, int) else end.detach() for end in make())
    kept = stderr_into(writer)
    try:
        log = Log("test", console=True, facility=None, detail=False)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(writer)
    log(5, "one line")
    log.leave_console()
    log(5, "nobody hears this")
    assert os.read(reader, 100).endswith(b"one line\n")
    assert os.read(reader, 100) == b""
    os.close(reader)


def test_detail_needs_to_be_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for detail in (False, True):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        kept = stderr_into(fd)
        try:
            log = Log("test", console=True, facility=None, detail=detail)
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        log(7, "small print", True)
        assert ("small print" in path.read_text()) is detail
        os.close(fd)


def test_a_full_disk_is_survived() -> None:
    fd = os.open("/dev/full", os.O_WRONLY)
    kept = stderr_into(fd)
    try:
        log = Log("test", console=True, facility=None, detail=False)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
    log(3, "lost")
    assert log.dropped == 1
    os.close(fd)

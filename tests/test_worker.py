"""The ground that processes stand on: log, line, shared page."""

from __future__ import annotations

import os
import pickle
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.vrrp.messages import State
from hakeep.worker import SLOT_SIZE, SLOTS, Line, Log, SharedPage, name_check


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


def test_a_slot_of_another_router_is_not_believed() -> None:
    page = SharedPage()
    page.write(0, name_check("VI_1"), State.MASTER, 1.0, 1)
    assert page.read(0, "VI_2") is None
    assert page.read(1, "VI_1") is None


def test_a_worker_that_died_while_writing_leaves_no_memory() -> None:
    page = SharedPage()
    page.write(0, name_check("V"), State.MASTER, 1.0, 1)
    page.remember(0, {"ah_sequence": 5})
    page._page[4096 + 26] = 0xFF
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

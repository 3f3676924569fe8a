from __future__ import annotations

import os
import socket
import threading
from typing import Any

import pytest

from hakeep.kernel import netns


@pytest.mark.netns
def test_what_is_opened_after_entering_belongs_there(lab: Any) -> None:
    namespace, _ = lab.pair()
    names: list[list[str]] = []

    def inside() -> None:
        netns.enter(namespace.name)
        names.append([name for _, name in socket.if_nameindex()])

    thread = threading.Thread(target=inside)  # the namespace is the thread's, so the test's own stays
    thread.start()
    thread.join()
    assert names == [["lo", "eth0"]]


def test_there_is_no_such_namespace() -> None:
    with pytest.raises(FileNotFoundError):
        netns.enter("hk-none")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../../proc/1/ns/net"])
def test_a_path_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="not a network namespace"):
        netns.enter(name)


@pytest.mark.netns
def test_what_is_no_namespace_is_refused(lab: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "plain").write_text("")
    monkeypatch.setattr(netns, "DIRECTORY", tmp_path)
    with pytest.raises(OSError) as raised:
        netns.enter("plain")
    assert "plain" in str(raised.value)


def elsewhere(work: Any) -> None:
    """In a thread of its own: the namespace is the thread's, so the test's stays."""
    failed: list[BaseException] = []

    def inside() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


def links() -> list[str]:
    return [name for _, name in socket.if_nameindex()]


@pytest.mark.netns
def test_a_visit_ends_where_it_began(lab: Any) -> None:
    namespace, _ = lab.pair()
    here = links()

    def visit() -> None:
        with netns.visit(namespace.name):
            assert links() == ["lo", "eth0"] != here
        assert links() == here
        with pytest.raises(KeyError), netns.visit(namespace.name):
            raise KeyError
        assert links() == here
        with netns.visit(None):
            assert links() == here

    elsewhere(visit)


@pytest.mark.netns
def test_where_the_process_was_started_is_not_forgotten(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netns, "_first", None)
    one, other = lab.pair()
    here = links()

    def visit() -> None:
        with netns.visit(""):
            assert links() == here, "nothing was left yet"
        netns.enter(one.name)
        netns.enter(other.name)
        with netns.visit(""):
            assert links() == here
        assert links() == ["lo", "eth0"]

    try:
        elsewhere(visit)
    finally:
        os.close(netns._first or 0)


@pytest.mark.parametrize(("name", "said"), [
    ("hk-none", "there is no network namespace hk-none ('ip netns add hk-none' makes it)"),
    ("../x", "not a network namespace's name: '../x'"),
])
def test_who_cannot_be_visited_is_named(name: str, said: str) -> None:
    with pytest.raises(netns.Unreachable) as raised, netns.visit(name):
        pass
    assert str(raised.value) == said

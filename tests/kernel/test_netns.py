from __future__ import annotations

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

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from hakeep.kernel import sysctl
from hakeep.kernel.sysctl import SysctlKeeper


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that stands for /proc/sys/net."""
    root = tmp_path / "net"
    root.mkdir()
    for name in ("a", "b", "c"):
        (root / name).write_text("0\n")
    monkeypatch.setattr(sysctl, "_ROOT", root)
    return root


def values(settings: Path) -> str:
    return "".join((settings / name).read_text().strip() for name in ("a", "b", "c"))


def test_what_is_borrowed_is_given_back(settings: Path) -> None:
    keeper = SysctlKeeper()
    keeper.set("a", "1")
    keeper.set("b", "2")
    keeper.set("a", "3")
    assert values(settings) == "320"
    assert keeper.borrowed() == ["a", "b"]
    assert keeper.restore() == []
    assert values(settings) == "000"
    assert keeper.borrowed() == []


def test_what_is_right_already_is_not_borrowed(settings: Path) -> None:
    keeper = SysctlKeeper()
    keeper.set("a", "0")
    assert keeper.borrowed() == []


def test_some_can_be_given_back_alone(settings: Path) -> None:
    keeper = SysctlKeeper()
    for name in "abc":
        keeper.set(name, "1")
    keeper.restore(["b", "unknown"])
    assert values(settings) == "101"
    assert keeper.borrowed() == ["a", "c"]


def test_the_last_is_given_back_first(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = SysctlKeeper()
    for name in "abc":
        keeper.set(name, "1")
    order: list[str] = []
    monkeypatch.setattr(sysctl, "write", lambda path, _: order.append(path))
    keeper.restore()
    assert order == ["c", "b", "a"]


def test_what_somebody_changed_meanwhile_stays(settings: Path) -> None:
    keeper = SysctlKeeper()
    keeper.set("a", "1")
    (settings / "a").write_text("2")
    assert keeper.restore() == ["a"]
    assert values(settings) == "200"


def test_what_somebody_changed_before_we_write_again_is_what_comes_back(settings: Path) -> None:
    keeper = SysctlKeeper()
    keeper.set("a", "1")
    (settings / "a").write_text("2")
    keeper.set("a", "1")
    keeper.restore()
    assert values(settings) == "200"


def test_an_interface_that_is_gone_needs_nothing_back(settings: Path) -> None:
    keeper = SysctlKeeper()
    keeper.set("a", "1")
    (settings / "a").unlink()
    assert keeper.restore() == []
    assert not (settings / "a").exists()


def test_nothing_is_ever_created(settings: Path) -> None:
    keeper = SysctlKeeper()
    with pytest.raises(FileNotFoundError):
        keeper.set("new", "1")
    with pytest.raises(FileNotFoundError):
        sysctl.write("new", "1")
    assert not (settings / "new").exists() and keeper.borrowed() == []


@pytest.mark.parametrize("path", ["/etc/passwd", "../core/x", "ipv4/../../kernel/x"])
def test_no_path_leads_out(settings: Path, path: str) -> None:
    for call in (sysctl.read, lambda p: sysctl.write(p, "1"), lambda p: SysctlKeeper().set(p, "1")):
        with pytest.raises(ValueError, match="not a setting"):
            call(path)


def test_another_process_gives_back_what_this_one_borrowed(settings: Path, tmp_path: Path) -> None:
    file = tmp_path / "sysctl.json"
    SysctlKeeper(file).set("a", "1")
    second = SysctlKeeper(file)
    assert second.borrowed() == ["a"]
    second.set("a", "1")
    second.set("b", "1")
    assert file.stat().st_mode & 0o777 == 0o600
    third = SysctlKeeper(file)
    assert third.restore() == []
    assert values(settings) == "000"
    assert [path.name for path in tmp_path.iterdir()] == ["net"]  # no file, no left-overs


def test_the_old_value_is_safe_before_the_new_one_is_written(
    settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "sysctl.json"

    def die(path: str, value: str) -> None:
        assert json.loads(file.read_text()) == {"a": ["0", "1"]}
        raise OSError(errno.EROFS, "read-only")

    keeper = SysctlKeeper(file)
    with monkeypatch.context() as patch:
        patch.setattr(sysctl, "write", die)
        with pytest.raises(OSError, match="read-only"):
            keeper.set("a", "1")
    again = SysctlKeeper(file)
    (settings / "a").write_text("7")
    again.set("a", "1")
    again.restore()
    assert values(settings) == "700"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}', '{"a": ["1"]}', '{"../x": ["0", "1"]}', "7"])
def test_a_damaged_file_is_an_error_and_touches_nothing(settings: Path, tmp_path: Path, content: str) -> None:
    file = tmp_path / "sysctl.json"
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(OSError, match="damaged"):
        SysctlKeeper(file)
    assert file.read_text() == content


def test_a_link_is_not_followed(settings: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text('{"a": ["9", "0"]}')
    target.chmod(0o600)
    file = tmp_path / "sysctl.json"
    file.symlink_to(target)
    with pytest.raises(OSError) as raised:
        SysctlKeeper(file)
    assert raised.value.errno == errno.ELOOP


def test_a_link_that_appears_later_is_replaced_and_not_followed(settings: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    file = tmp_path / "sysctl.json"
    keeper = SysctlKeeper(file)
    file.symlink_to(target)
    (tmp_path / f".sysctl.json.{os.getpid()}").symlink_to(target)
    keeper.set("a", "1")
    assert target.read_text() == "precious"
    assert json.loads(file.read_text()) == {"a": ["0", "1"]} and not file.is_symlink()


def test_a_directory_that_is_a_link_is_not_entered(settings: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "real")
    with pytest.raises(OSError):
        SysctlKeeper(tmp_path / "run" / "sysctl.json")


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_can_write_is_not_believed(settings: Path, tmp_path: Path, mode: int) -> None:
    file = tmp_path / "sysctl.json"
    file.write_text("{}")
    file.chmod(mode)
    with pytest.raises(PermissionError):
        SysctlKeeper(file)


def test_a_pipe_is_not_waited_for(settings: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "sysctl.json", 0o600)
    with pytest.raises(PermissionError):
        SysctlKeeper(tmp_path / "sysctl.json")


@pytest.mark.netns
def test_the_real_thing(lab: Any) -> None:
    namespace, _ = lab.pair()
    namespace.ip("link set eth0 name eth0.7")
    path = "ipv4/conf/eth0.7/arp_ignore"
    before = namespace.settings()

    def borrow() -> SysctlKeeper:
        keeper = SysctlKeeper()
        keeper.set(path, "2")
        return keeper

    keeper = namespace.run(borrow)
    assert namespace.run(lambda: sysctl.read(path)) == "2"
    changed = {name for name, value in namespace.settings().items() if before[name] != value}
    assert changed == {f"/proc/sys/net/{path}"}
    with pytest.raises(OSError) as raised:
        namespace.run(lambda: sysctl.write(path, "nonsense"))
    assert raised.value.errno == errno.EINVAL
    namespace.run(keeper.restore)
    assert namespace.settings() == before


def test_two_threads_do_not_meet_in_it(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links are made and removed in a thread, while the loop borrows settings of its own."""
    keeper = SysctlKeeper()
    write, inside, most = sysctl.write, [0], [0]
    first, go_on = threading.Event(), threading.Event()

    def slow(path: str, value: str) -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        first.set()
        go_on.wait(5)
        write(path, value)
        inside[0] -= 1

    monkeypatch.setattr(sysctl, "write", slow)
    threads = [threading.Thread(target=keeper.set, args=(name, "1")) for name in "ab"]
    threads[0].start()
    assert first.wait(5)
    threads[1].start()
    threads[1].join(0.05)
    go_on.set()
    for thread in threads:
        thread.join()
    assert most == [1] and keeper.borrowed() == ["a", "b"]

"""`hakeep ipvs` as a command, over a kernel that is made up. tests/uml/test_ipvs.py has a real one."""

from __future__ import annotations

import errno
import io
from collections.abc import Callable
from types import TracebackType
from typing import Any

import pytest

from hakeep.cli import hakeep
from hakeep.kernel import ipvs as kernel
from hakeep.kernel import ipvs_rows as rows
from hakeep.kernel.netlink import NetlinkError
from hakeep.objects.ipvs import Service, ServiceKey, Table, Timeouts


class Kernel:
    """Takes every order, except services on port 99, and remembers it."""

    def __init__(self) -> None:
        self.family = 29
        self.done: list[Any] = []
        self.rows: list[Service] = []

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.done.append("closed")

    def order(self, messages: list[bytes]) -> dict[int, int]:
        (message,) = messages
        service = rows.decode_service(message)
        if service.key.port == 99:
            return {0: errno.EEXIST}
        self.done.append(service)
        return {}

    def flush(self) -> None:
        self.done.append("flush")

    def zero(self, key: ServiceKey | None) -> None:
        raise NetlinkError(errno.ESRCH, "x")

    def set_timeouts(self, timeouts: Timeouts) -> None:
        raise NetlinkError(errno.EPERM, "x")

    def table(self) -> Table:
        return Table.of(self.rows)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(kernel, "Ipvs", lambda: made)
    return made


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(line: str, said: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(said))
        status = hakeep.main(["ipvs", *line.split()])
        return status, *capsys.readouterr()

    return call


Run = Callable[..., tuple[int, str, str]]


def test_a_service_is_added(run: Run, made_up: Kernel) -> None:
    assert run("-A -t 192.0.2.1:80 -s rr") == (0, "", "")
    assert [made_up.done[0].scheduler, made_up.done[1]] == ["rr", "closed"]


def test_a_refusal_is_a_sentence_and_255(run: Run, made_up: Kernel) -> None:
    assert run("-A -t 192.0.2.1:99") == (
        255, "", "hakeep ipvs: service [192.0.2.1]:tcp:99 cannot be added: it is there already\n")
    assert run("-Z -t 192.0.2.1:80") == (255, "", "hakeep ipvs: there is no such service: [192.0.2.1]:tcp:80\n")
    status, _, error = run("--set 1 2 3")
    assert status == 2 and "CAP_NET_ADMIN" in error


def test_wrong_usage_asks_no_kernel(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "Ipvs", None)
    assert run("-A -t 192.0.2.1:80 -w 3") == (2, "", "hakeep ipvs: -w does not go with --add-service\n")


def test_rules_are_read_before_the_first_is_done(run: Run, made_up: Kernel) -> None:
    rules = "# mine\n\nipvsadm -C\n-A -t 192.0.2.1:80\n"
    for wrong, why in (("-A -t 192.0.2.1:80 -t 192.0.2.2:80", "-t is one too many"), ("-L", "--list is no command for"),
                       ("-A -t 'x", "No closing quotation"), ("-R", "--restore is no command"), ("x", "unrecognized")):
        status, output, error = run("-R", rules + wrong)
        assert (status, output, made_up.done) == (2, "", []), wrong
        assert error.startswith("hakeep ipvs: line 5: ") and why in error
    assert run("-R", rules) == (0, "", "")
    assert [made_up.done[0], made_up.done[1].key.port] == ["flush", 80]


def test_a_refused_rule_does_not_stop_the_others(run: Run, made_up: Kernel) -> None:
    status, _, error = run("--restore", "-A -t 192.0.2.1:99\n-A -t 192.0.2.1:80\n")
    assert status == 255 and "it is there already" in error
    assert made_up.done[0].key.port == 80


def test_without_ipvs_the_module_is_loaded(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [NetlinkError(errno.ENOENT, "x"), Kernel()]
    loaded = []

    def connect() -> Kernel:
        answer = answers.pop(0)
        if isinstance(answer, NetlinkError):
            raise answer
        return answer  # type: ignore[no-any-return]

    monkeypatch.setattr(kernel, "Ipvs", connect)
    monkeypatch.setattr(kernel, "load_module", lambda: loaded.append(True))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert run("-C") == (0, "", "")
    assert loaded == [True]
    answers[:] = [NetlinkError(errno.ENOENT, "x")] * 2
    status, _, error = run("-C")
    assert status == 2 and error.startswith("hakeep ipvs: the kernel has no IPVS: its module ip_vs must be there")

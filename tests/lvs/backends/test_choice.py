"""lvs_backend: ours by name, auto with its warning, and those of other packages."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest
from contract import adds, destination, is_a_sentence, must, same, service, table

from hakeep.lvs.backends import Unavailable, choice
from hakeep.lvs.backends.choice import BACKENDS, choose
from hakeep.lvs.backends.memory import Memory

pytestmark = pytest.mark.trio


class Missing(Memory):
    """A backend that a host lacks."""

    def __init__(self, why: str = "there is no such thing here") -> None:
        super().__init__()
        self.unavailable = why


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[int, str]] = []

    def __call__(self, level: int, text: str) -> None:
        self.lines.append((level, text))


async def test_ours_are_called_what_they_say() -> None:
    assert {name: making().name for name, making in BACKENDS.items()} == {name: name for name in BACKENDS}
    assert list(BACKENDS) == ["ipvs", "nftables", "memory"]


async def test_by_name() -> None:
    log = Log()
    assert (await choose("memory", log)).name == "memory"
    assert log.lines == []


async def test_auto_is_ipvs_where_there_is_ipvs(monkeypatch: pytest.MonkeyPatch) -> None:
    log, ipvs = Log(), Memory()
    monkeypatch.setattr(choice, "Ipvs", lambda: ipvs)
    assert await choose("auto", log) is ipvs
    assert log.lines == []


async def test_auto_is_nftables_otherwise_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    log, nftables = Log(), Memory()
    monkeypatch.setattr(choice, "Ipvs", Missing)
    monkeypatch.setattr(choice, "Nftables", lambda: nftables)
    assert await choose("auto", log) is nftables
    (level, text), = log.lines
    assert level == 4
    assert "nftables" in text and "there is no such thing here" in text


async def test_who_has_nftables_is_told_what_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for path, value in (("net/ipv4/ip_forward", "0\n"), ("net/ipv6/conf/all/forwarding", "1\n")):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(value)
    monkeypatch.setattr(choice, "_SYSCTLS", tmp_path)
    nftables = Memory()
    nftables.name = "nftables"
    monkeypatch.setitem(BACKENDS, "nftables", lambda: nftables)
    log = Log()
    assert await choose("nftables", log) is nftables
    assert log.lines == [(4, "net.ipv4.ip_forward is 0: packets of IPv4 clients do not get to real servers")]


@pytest.mark.netns
async def test_auto_on_this_very_host(namespace: str) -> None:
    log = Log()
    backend = await choose("auto", log)
    assert backend.name in ("ipvs", "nftables")
    assert (backend.name == "nftables") == any("done by nftables" in text for _, text in log.lines)
    await backend.close()


async def test_auto_without_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "Ipvs", lambda: Missing("the kernel has no IPVS"))
    monkeypatch.setattr(choice, "Nftables", lambda: Missing("and no nftables either"))
    with pytest.raises(Unavailable, match=r"has no IPVS.*and no nftables either"):
        await choose("auto", Log())


async def test_in_another_namespace_it_is_ipvs_or_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ipvs(namespace: str) -> Missing:
        asked.append(namespace)
        return Missing("the kernel has no IPVS")

    monkeypatch.setattr(choice, "Ipvs", ipvs)
    monkeypatch.setattr(choice, "Nftables", Memory)
    for name in ("auto", "ipvs"):
        with pytest.raises(Unavailable, match="has no IPVS"):
            await choose(name, Log(), "front")
    assert asked == ["front", "front"]


async def test_who_asks_for_one_does_not_get_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKENDS, "ipvs", Missing)
    with pytest.raises(Unavailable, match="no such thing here"):
        await choose("ipvs", Log())


async def test_an_unknown_name() -> None:
    with pytest.raises(Unavailable) as raised:
        await choose("iptables", Log())
    assert is_a_sentence(str(raised.value))
    for word in ("iptables", "auto", "ipvs", "nftables", "memory"):
        assert word in str(raised.value)


# ------------------------------------------------------------------------------------------------- other packages


def install(where: Path, name: str, code: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pip would put into site-packages."""
    (where / f"{name}.py").write_text(code)
    info = where / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[hakeep.backends]\n{name} = {value}\n")
    monkeypatch.syspath_prepend(where)
    monkeypatch.delitem(sys.modules, name, raising=False)


async def test_the_example_of_the_documentation_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert choice.__doc__ is not None
    code = textwrap.dedent(choice.__doc__.partition("::\n")[2])
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    install(tmp_path, "loud", code, "loud:Loud", monkeypatch)
    backend = await choose("loud", Log())
    assert backend.name == "loud"
    one = service()
    await must(backend, adds(one, destination(one)))
    same(await backend.read(), table(one, destination(one)))
    assert capsys.readouterr().out.startswith("add 4 6 192.0.2.80 80 0\nadd ")


async def test_a_package_that_cannot_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "broken_backend", "1 / 0\n", "broken_backend:It", monkeypatch)
    with pytest.raises(Unavailable, match=r"broken_backend:It.*cannot be loaded.*division by zero"):
        await choose("broken_backend", Log())

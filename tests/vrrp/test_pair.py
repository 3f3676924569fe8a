"""Several hosts' configurations together: what does not fit, who is master, and who takes over when."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from hakeep.config.diagnostic import Code, Diagnostic
from hakeep.config.files import load
from hakeep.config.loaded import Loaded
from hakeep.config.settled import VrrpInstance
from hakeep.objects.rtnl import Address, Link
from hakeep.vrrp import messages as m
from hakeep.vrrp.engine import Engine
from hakeep.vrrp.pair import RULES, judge, obstacles, prospects
from hakeep.vrrp.pair.prospects import Prospect
from hakeep.vrrp.pair.rules import alone, servers

#: The instance that examples change, keyword by keyword.
USUAL = {
    "interface": "eth0", "virtual_router_id": "51", "priority": "100", "advert_int": "1",
    "virtual_ipaddress": "{\n192.0.2.10/24\n}",
}
PAGES = {rule.code: rule.look for rule in RULES} | {Code.PAIR_ALONE: alone, Code.PAIR_SERVERS: servers}


def configuration(lines: str, host: str) -> str:
    """A file of one instance, in which these lines stand instead of the usual ones of the same keyword."""
    own = {re.split(r"\s", line.strip())[0] for line in lines.splitlines() if line.strip()}
    usual = dict(USUAL)
    if "priority" not in own:
        usual["priority"] = {"a": "150", "b": "100"}[host]
    body = "\n".join([*(f"{k} {v}" for k, v in usual.items() if k not in own), lines])
    if "real_server" in own:
        server = lines.strip()
        body = "\n".join(f"{k} {v}" for k, v in usual.items())
        return (f"vrrp_instance VI {{\n{body}\n}}\n"
                f"virtual_server 192.0.2.10 80 {{\nprotocol TCP\n{server} {{\n}}\n}}\n")
    if "group" in own:
        body = "\n".join(f"{k} {v}" for k, v in usual.items())
        return f"vrrp_sync_group G {{\ngroup {{\nVI\n}}\n}}\nvrrp_instance VI {{\n{body}\n}}\n"
    return f"vrrp_instance VI {{\n{body}\n}}\n"


def read(folder: Path, texts: Mapping[str, str]) -> dict[str, Loaded]:
    loaded = {}
    for host, text in texts.items():
        path = folder / f"{host}.conf"
        path.write_text(text)
        loaded[host] = load(str(path))
    return loaded


def found(folder: Path, texts: Mapping[str, str]) -> list[Diagnostic]:
    return judge(read(folder, texts))[1]


def blocks(page: str, title: str) -> dict[str, str]:
    """The lines for host a and b in a block of a page."""
    block = re.search(rf"^{title}::\n\n((?: .*\n|\n)*)", inspect.cleandoc(page) + "\n", re.MULTILINE)
    assert block, f"no {title}"
    hosts: dict[str, list[str]] = {}
    host = ""
    for line in block.group(1).splitlines():
        label = re.match(r" *([ab]):(.*)", line)
        if label:
            host = label.group(1)
            hosts[host] = [label.group(2)]
        elif line.strip():
            hosts[host].append(line)
    return {host: "\n".join(lines) for host, lines in hosts.items()}


@pytest.mark.parametrize("code", PAGES)
def test_the_example_of_a_page_has_it_and_the_cure_has_not(code: Code, tmp_path: Path) -> None:
    page = PAGES[code].__doc__ or ""
    for title, expected in (("Example", True), ("Cure", False)):
        texts = {host: configuration(lines, host) for host, lines in blocks(page, title).items()}
        assert set(texts) == {"a", "b"}
        codes = {d.code for d in found(tmp_path, texts)}
        assert (code in codes) is expected, f"{title}: {codes}"


def test_two_owners(tmp_path: Path) -> None:
    texts = dict.fromkeys("ab", configuration("priority 255", "a"))
    assert {d.code for d in found(tmp_path, texts)} == {Code.PAIR_OWNERS}


def test_a_working_pair_is_not_complained_about(tmp_path: Path) -> None:
    assert found(tmp_path, {"a": configuration("", "a"), "b": configuration("", "b")}) == []


def test_places_of_both_files_are_told(tmp_path: Path) -> None:
    (only,) = found(tmp_path, {"a": configuration("advert_int 1", "a"), "b": configuration("advert_int 3", "b")})
    assert only.code is Code.PAIR_INTERVAL
    assert only.span is not None and only.span.file.endswith("b.conf")
    assert only.also is not None and only.also[0].file.endswith("a.conf")


def test_obstacles_are_the_errors_of_one_virtual_router(tmp_path: Path) -> None:
    other = configuration("virtual_router_id 60", "a").replace("VI", "other").replace("192.0.2.10", "192.0.2.60")
    texts = {"a": configuration("version 2", "a") + other,
             "b": configuration("version 3\npriority 150", "b") + other}
    lineups, diagnostics = judge(read(tmp_path, texts))
    assert {each.code for each in diagnostics} >= {Code.PAIR_VERSION, Code.PAIR_PRIORITY}
    by_name = {lineup.sides[0].name: [each.code for each in obstacles(lineup, lineups)] for lineup in lineups}
    assert by_name == {"VI": [Code.PAIR_VERSION], "other": []}


def test_obstacles_of_two_that_should_be_one(tmp_path: Path) -> None:
    texts = {"a": configuration("virtual_router_id 51", "a"), "b": configuration("virtual_router_id 52", "b")}
    lineups, _ = judge(read(tmp_path, texts))
    assert [[each.code for each in obstacles(lineup, lineups)] for lineup in lineups] == [[Code.PAIR_ALONE]] * 2
    alone_for_good, _ = judge(read(tmp_path, {"a": texts["a"]}))
    assert obstacles(alone_for_good[0], alone_for_good) == []


def test_a_vrid_that_a_host_uses_on_two_links(tmp_path: Path) -> None:
    """The addresses decide which belong together, whatever the interfaces and instances are called."""
    def text(first: str, second: str, priority: int) -> str:
        return "".join(
            f"vrrp_instance {name} {{\ninterface {link}\nvirtual_router_id 51\npriority {priority}\n"
            f"virtual_ipaddress {{\n{vip}/24\n}}\n}}\n"
            for name, link, vip in (("X", first, "192.0.2.10"), ("Y", second, "198.51.100.10")))
    a, b = text("eth0", "eth1", 150), text("ens3", "ens4", 100).replace("X", "Z")
    lineups, diagnostics = judge(read(tmp_path, {"a": a, "b": b}))
    assert [[side.name for side in lineup.sides] for lineup in lineups] == [["X", "Z"], ["Y", "Y"]]
    assert diagnostics == []


# ------------------------------------------------------------------------------------------------------ prospects


def foretold(folder: Path, a: str = "", b: str = "", before: str = "") -> list[Prospect]:
    texts = {"a": before + configuration(a, "a"), "b": before + configuration(b, "b")}
    (lineup,), _ = judge(read(folder, texts))
    return prospects(lineup)


def of(found: list[Prospect], event: str) -> Prospect:
    (only,) = [p for p in found if p.event == event]
    return only


SCRIPT = "vrrp_script chk {\nscript /bin/true\ninterval 2\nfall 3\nweight -60\n}\n"


def test_who_is_master_and_who_follows(tmp_path: Path) -> None:
    told = foretold(tmp_path)
    assert told[0].master == "a"
    assert of(told, "a dies or loses its link")[2:4] == ("b", pytest.approx(3 + 156 / 256))
    assert of(told, "a is stopped or put in standby")[2:4] == ("b", pytest.approx(156 / 256))
    assert of(told, "a comes back")[2:4] == ("a", pytest.approx(3 + 106 / 256))
    assert of(told, "b dies or loses its link")[2:4] == ("a", None)


@pytest.mark.parametrize(("a", "event", "master", "seconds"), [
    ("track_script {\nchk\n}", "script chk fails on a", "b", 3 * 2 + 2 + 1 + 3 + 156 / 256),
    ("track_script {\nchk weight -10\n}", "script chk fails on a", "a", None),
    ("track_script {\nchk weight 0\n}", "script chk fails on a", "b", 3 * 2 + 2 + 156 / 256),
    ("track_interface {\neth1\n}", "interface eth1 fails on a", "b", 156 / 256),
    ("track_interface {\neth1 weight -51\n}", "interface eth1 fails on a", "b", 1 + 3 + 156 / 256),
    ("track_interface {\neth1 weight -50\n}", "interface eth1 fails on a", "a", None),
    ("nopreempt", "a comes back", "b", None),
    ("preempt_delay 60", "a comes back", "a", 60 + 3 + 106 / 256),
])
def test_what_failures_do(tmp_path: Path, a: str, event: str, master: str, seconds: float | None) -> None:
    prospect = of(foretold(tmp_path, a, before=SCRIPT), event)
    assert prospect.master == master
    assert prospect.seconds == (None if seconds is None else pytest.approx(seconds))


def test_version_3_learns_the_interval_of_the_master(tmp_path: Path) -> None:
    told = foretold(tmp_path, "version 3\nadvert_int 0.1", "version 3\nadvert_int 1")
    assert of(told, "a dies or loses its link").seconds == pytest.approx(0.3 + 0.1 * 156 / 256)


def test_a_positive_weight_counts_while_all_is_well(tmp_path: Path) -> None:
    told = foretold(tmp_path, "track_interface {\neth1 weight 10\n}", "priority 155")
    assert told[0].master == "a" and "160" in told[0].why
    assert of(told, "interface eth1 fails on a").master == "b"


# ------------------------------------------------------------------------------------- what is foretold is what happens


def engine(loaded: Loaded, address: str) -> Engine:
    from ipaddress import ip_interface

    assert loaded.settings is not None
    own = ip_interface(address)
    link = Link(2, "eth0", up=True, running=True, mac=b"\x02\0\0\0\0\1")
    return Engine(loaded.settings, 0.0, links=[link], addresses=[Address("eth0", own.ip, own.network.prefixlen)])


def masters_after(folder: Path, a: str, b: str, event: m.Event) -> float:
    """Run both engines over a perfect link until a is master, let `event` happen to a, and tell when b is master."""
    from hakeep.vrrp.transmit import Transmitter

    loaded = read(folder, {"a": configuration(a, "a"), "b": configuration(b, "b")})
    engines = {"a": engine(loaded["a"], "192.0.2.1/24"), "b": engine(loaded["b"], "192.0.2.2/24")}
    happened, now = float("inf"), 0.0
    queue = {host: list(each.begin()) for host, each in engines.items()}
    dead: set[str] = set()
    while now < 300:
        for host in list(queue):
            for effect in queue.pop(host):
                if isinstance(effect, m.Advertise) and host not in dead:
                    router = engines[host].routers["VI"]
                    settings: VrrpInstance = router.settings
                    assert router.source is not None
                    data = Transmitter(settings, router.source, router.memory).packets(effect.priority, 0.0)[0][1]
                    other = "b" if host == "a" else "a"
                    packet = m.Received("eth0", data, data[12:16], data[16:20], data[8], now, 0.0)
                    queue.setdefault(other, []).extend(engines[other].step(now, packet))
        if queue:
            continue
        if happened < float("inf") and engines["b"].routers["VI"].state is m.State.MASTER:
            return now - happened
        if engines["a"].routers["VI"].state is m.State.MASTER and happened == float("inf") and now > 20:
            happened = now
            if isinstance(event, m.Ticked):
                dead.add("a")
            else:
                queue["a"] = engines["a"].step(now, event)
                continue
        host = min(engines, key=lambda name: engines[name].deadline)
        now = max(now, engines[host].deadline)
        queue[host] = engines[host].step(now, m.Ticked())
    raise AssertionError("b never became master")


@pytest.mark.parametrize("b", ["", "version 2\npriority 20", "down_timer_adverts 5"])
@pytest.mark.parametrize(("event", "name"), [
    (m.Ticked(), "a dies or loses its link"), (m.Stopped(), "a is stopped or put in standby")])
def test_engines_do_what_was_foretold(tmp_path: Path, b: str, event: m.Event, name: str) -> None:
    seconds = of(foretold(tmp_path, "", b), name).seconds
    assert seconds is not None
    took = masters_after(tmp_path, "", b, event)
    assert seconds - 1.0 <= took <= seconds + 0.001

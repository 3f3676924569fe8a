"""What the chosen backend cannot do is said where it is asked for, and nothing starts with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hakeep.config.backends import Limit
from hakeep.config.diagnostic import Code, Diagnostic
from hakeep.config.files import Host, Loaded, backend_problem, load, this_host

BODY = """\
virtual_server 192.0.2.100 80 {{
    protocol {protocol}
    lb_algo rr
    lb_kind NAT
    {service}
    real_server 192.0.2.21 80 {{
        {real}
        TCP_CHECK {{ connect_timeout 3 }}
    }}
}}
"""

LACKS = [
    ("", "lvs_sched wlc", "", "lvs_sched wlc needs IPVS: lvs_backend nftables knows rr, wrr, sh; use wrr, the nearest"),
    ("", "lb_algo mh", "", "lb_algo mh needs IPVS: lvs_backend nftables knows rr, wrr, sh; use sh"),
    ("", "lb_kind DR", "", "lb_kind DR needs IPVS: lvs_backend nftables can only rewrite addresses; use NAT"),
    ("", "lvs_method TUN", "", "lvs_method TUN needs IPVS: lvs_backend nftables can only rewrite addresses; use NAT"),
    ("", "", "lvs_method TUN type gre", "lvs_method TUN needs IPVS"),
    ("", "persistence_engine sip", "", "persistence_engine sip needs IPVS"),
    ("", "", "uthreshold 9", "uthreshold needs IPVS"),
    ("", "", "lthreshold 9", "lthreshold needs IPVS"),
    ("", "sorry_server 192.0.2.9 80\n    sorry_server_lvs_method DR", "", "sorry_server_lvs_method DR needs IPVS"),
    ("", "ops", "", "ops needs IPVS"),
    ("lvs_sync_daemon eth0", "", "", "lvs_sync_daemon needs IPVS"),
]


def loaded(tmp_path: Path, head: str = "", service: str = "", real: str = "", option: str = "",
           protocol: str = "UDP") -> Loaded:
    path = tmp_path / "hakeep.conf"
    path.write_text(f"global_defs {{\n    {head}\n}}\n{BODY.format(service=service, real=real, protocol=protocol)}")
    return load(str(path), host=Host(lvs_backend=option))


def lacks(found: Loaded) -> list[Diagnostic]:
    return [each for each in found.diagnostics if each.code is Code.BACKEND_LACKS]


@pytest.mark.parametrize(("head", "service", "real", "sentence"), LACKS)
@pytest.mark.parametrize("by_option", [False, True], ids=["configured", "by option"])
def test_what_it_cannot_do(tmp_path: Path, head: str, service: str, real: str, sentence: str, by_option: bool) -> None:
    backend = "" if by_option else "lvs_backend nftables"
    found = loaded(tmp_path, f"{head}\n    {backend}", service, real, "nftables" if by_option else "")
    (lack,) = lacks(found)
    assert sentence in lack.message
    assert found.fatal and found.exit_status() == 5 and found.run_status() == 2
    assert lack.span is not None
    written = found.sources[lack.span.file].splitlines()[lack.span.line - 1]
    assert written.split()[0] == sentence.split()[0], "the place is that of the keyword"
    assert (lack.also is None) == by_option


@pytest.mark.parametrize("backend", ["auto", "ipvs", "memory"])
@pytest.mark.parametrize(("head", "service", "real", "_"), LACKS)
def test_others_can(tmp_path: Path, head: str, service: str, real: str, _: str, backend: str) -> None:
    assert not lacks(loaded(tmp_path, f"{head}\n    lvs_backend {backend}", service, real))


def test_the_command_line_counts(tmp_path: Path) -> None:
    found = loaded(tmp_path, "lvs_backend nftables", "lb_kind DR", option="ipvs")
    assert not lacks(found)
    assert found.settings is not None and found.settings.lvs is not None
    assert found.settings.lvs.backend == "ipvs"


def test_what_has_no_effect_is_no_lack(tmp_path: Path) -> None:
    assert not lacks(loaded(tmp_path, "lvs_backend nftables", "ops", protocol="TCP"))
    assert not lacks(loaded(tmp_path, "lvs_backend nftables", "sorry_server_lvs_method DR"))
    assert not lacks(loaded(tmp_path, "lvs_backend nftables", "lb_kind NAT", "lvs_method NAT"))


def test_the_default_scheduler_is_one_too(tmp_path: Path) -> None:
    path = tmp_path / "hakeep.conf"
    path.write_text("global_defs { lvs_backend nftables }\n"
                    "virtual_server 192.0.2.100 80 {\n protocol TCP\n real_server 192.0.2.21 80 { }\n}\n")
    (lack,) = lacks(load(str(path)))
    assert "lvs_sched wlc needs IPVS" in lack.message
    assert lack.span is not None and lack.span.line == 2


def test_an_instance_of_old(tmp_path: Path) -> None:
    path = tmp_path / "hakeep.conf"
    path.write_text("global_defs {\n lvs_backend nftables\n}\nvrrp_instance A {\n lvs_sync_daemon_interface eth0\n"
                    " interface lo\n virtual_router_id 5\n virtual_ipaddress { 192.0.2.7 }\n}\n"
                    + BODY.format(service="", real="", protocol="TCP"))
    (lack,) = lacks(load(str(path)))
    assert lack.message.startswith("lvs_sync_daemon_interface needs IPVS")
    assert lack.span is not None and lack.span.line == 5


def test_limits_in_words() -> None:
    limit = Limit("cannot", "give up", ("a", "b"), {"c": "b"})
    assert limit.lack("word", "a", "x") == ""
    assert limit.lack("word", "c", "x") == "word c needs IPVS: lvs_backend x cannot; use b"
    assert limit.lack("word", "d", "x") == "word d needs IPVS: lvs_backend x cannot; give up"
    assert limit.extent == "only a, b" and Limit("cannot").extent == "not to be had"


# ------------------------------------------------------------------------------------------------- other packages


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pip would leave of a package with a backend. Its code is not needed to know that it is there."""
    info = tmp_path / "site" / "loud-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: loud\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[hakeep.backends]\nloud = loud:Loud\n")
    monkeypatch.syspath_prepend(info.parent)


def missing(found: Loaded) -> list[Diagnostic]:
    return [each for each in found.diagnostics if each.code is Code.BACKEND_MISSING]


def chosen(tmp_path: Path, head: str, option: str = "", host: Host | None = None) -> Loaded:
    path = tmp_path / "hakeep.conf"
    path.write_text(f"global_defs {{\n    {head}\n}}\n{BODY.format(service='', real='', protocol='TCP')}")
    return load(str(path), host=replace(host or this_host(), lvs_backend=option))


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("head", "option"), [("lvs_backend loud", ""), ("", "loud"), ("lvs_backend no", "loud")])
def test_a_backend_of_another_package(tmp_path: Path, head: str, option: str) -> None:
    found = chosen(tmp_path, head, option)
    assert not found.diagnostics and not found.fatal
    assert found.settings is not None and found.settings.lvs is not None
    assert found.settings.lvs.backend == "loud"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("option", ["", "quiet"])
def test_a_backend_that_is_not_installed(tmp_path: Path, option: str) -> None:
    found = chosen(tmp_path, "" if option else "lvs_backend quiet", option)
    (problem,) = missing(found)
    assert problem.message == (
        "lvs_backend quiet: there is no such backend; there are auto, ipvs, nftables, memory, loud")
    assert found.fatal and found.exit_status() == 5 and found.run_status() == 2
    assert (problem.span.line if problem.span else None) == (None if option else 2)


def test_a_slip_of_the_pen(tmp_path: Path) -> None:
    (problem,) = missing(chosen(tmp_path, "lvs_backend nftable"))
    assert problem.fix == "did you mean nftables?"
    assert [backend_problem(name) for name in ("auto", "ipvs", "nftables", "memory")] == [""] * 4


def test_who_does_not_know_the_host_does_not_judge(tmp_path: Path) -> None:
    assert not chosen(tmp_path, "lvs_backend quiet", host=Host()).diagnostics


def test_without_virtual_servers_it_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "hakeep.conf"
    path.write_text("global_defs {\n    lvs_backend quiet\n}\n")
    found = load(str(path), host=this_host())
    assert missing(found) and not found.fatal


def test_packets_are_rewritten_where_the_daemon_is(tmp_path: Path) -> None:
    path = tmp_path / "hakeep.conf"
    body = BODY.format(service="", real="", protocol="TCP")
    path.write_text(f"net_namespace_ipvs front\nglobal_defs {{ lvs_backend nftables }}\n{body}")
    (lack,) = lacks(load(str(path)))
    assert lack.message == ("net_namespace_ipvs needs IPVS: lvs_backend nftables rewrites packets in the network "
                            "namespace of the daemon; use net_namespace")
    assert lack.span is not None and lack.span.line == 1
    path.write_text(f"net_namespace_ipvs front\n{body}")
    found = load(str(path))
    assert not lacks(found) and not found.fatal
    assert found.settings is not None and found.settings.globals.net_namespace_ipvs == "front"

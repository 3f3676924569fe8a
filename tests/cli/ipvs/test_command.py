"""From ipvsadm's command line to values. tests/uml/test_ipvs.py has the lines that both take and that both refuse."""

from __future__ import annotations

import argparse
from ipaddress import ip_address

import pytest

from hakeep.cli.ipvs import command as module
from hakeep.cli.ipvs.command import Command, Refused, command
from hakeep.cli.ipvs.command_line import declare
from hakeep.objects.ipvs import (
    ONE_PACKET,
    PERSISTENT,
    SCHED1,
    SCHED2,
    TCP,
    UDP,
    Destination,
    DestinationKey,
    Encapsulation,
    Forward,
    Service,
    ServiceKey,
    SyncDaemon,
    Timeouts,
    Tunnel,
)

WEB = ServiceKey(4, TCP, ip_address("192.0.2.1"), 80)
SIX = ServiceKey(6, TCP, ip_address("2001:db8::1"), 80)
MARK = ServiceKey(6, 0, None, 0, 5)


def read(line: str) -> Command:
    parser = argparse.ArgumentParser()
    declare(parser)
    return command(parser.parse_args(line.split()))


@pytest.mark.parametrize(("line", "service"), [
    ("-A -t 192.0.2.1:80", Service(WEB)),
    ("-At 192.0.2.1:80 -srr", Service(WEB, "rr")),
    ("--add-service --tcp-service=[2001:db8::1]:80 --persistent=50 -M 64",
     Service(SIX, "wlc", PERSISTENT, 50, 64)),
    ("-A -t 192.0.2.1:80 -p -s mh -b mh-port,mh-fallback,flag-3 -M 255.255.0.0",
     Service(WEB, "mh", PERSISTENT | SCHED1 | SCHED2 | 32, 360, 16)),
    ("-A -M 255.0.255.0 -t 192.0.2.1:80", Service(WEB, prefix=-0xFF00FF00)),
    ("-A -u 192.0.2.1:53 -o --pe sip", Service(ServiceKey(4, UDP, WEB.ip, 53), "wlc", ONE_PACKET, engine="sip")),
    ("-A -6 -f 5", Service(MARK, prefix=128)),
    ("-A -t 2001:db8::1 -p 7", Service(SIX._replace(port=0), "wlc", PERSISTENT, 7, 128)),
])
def test_services(line: str, service: Service) -> None:
    assert read(line) == Command("add-service", service, view=frozenset(read(line).view))


def server(key: ServiceKey, ip: str, port: int, **words: object) -> Destination:
    return Destination(DestinationKey(key, ip_address(ip), port), **{"forward": Forward.ROUTE, **words})  # type: ignore[arg-type]


@pytest.mark.parametrize(("line", "destination"), [
    ("-a -t 192.0.2.1:80 -r 10.0.0.1", server(WEB, "10.0.0.1", 80)),
    ("-a -t 192.0.2.1:80 -r 10.0.0.1:8080", server(WEB, "10.0.0.1", 80)),
    ("-a -t 192.0.2.1:80 -r 10.0.0.1:8080 -m", server(WEB, "10.0.0.1", 8080, forward=Forward.MASQ)),
    ("-a -t 192.0.2.1:80 -r 10.0.0.1 -w 0 -x 10 -y 5", server(WEB, "10.0.0.1", 80, weight=0, upper=10, lower=5)),
    ("-a -t 192.0.2.1:80 -r [2001:db8::2] -i", server(WEB, "2001:db8::2", 80, forward=Forward.TUNNEL)),
    ("-e -t 192.0.2.1:80 -r 10.0.0.1 -i --tun-type gue --tun-port 6080 --tun-remcsum",
     server(WEB, "10.0.0.1", 80, forward=Forward.TUNNEL, tunnel=Tunnel(Encapsulation.GUE, 6080, 2))),
    ("-a -f 5 -6 -r [2001:db8::2]:443", server(MARK, "2001:db8::2", 443)),
    ("-d -t 192.0.2.1:80 -r 10.0.0.1:8080", server(WEB, "10.0.0.1", 8080)),
    ("-d -t 192.0.2.1:80 -r 10.0.0.1", server(WEB, "10.0.0.1", 80)),
])
def test_real_servers(line: str, destination: Destination) -> None:
    assert read(line).destination == destination


def test_the_others() -> None:
    assert read("") == Command("list")
    assert read("-Lnc") == Command("list", view=frozenset({"numeric", "connection"}))
    assert read("--set 1 0 3").timeouts == Timeouts(1, 0, 3)
    started = read("--start-daemon backup --mcast-interface eth1 --syncid 3 --mcast-group ff02::1 --mcast-ttl 9")
    assert started.daemon == SyncDaemon("backup", "eth1", 3, 0, ip_address("ff02::1"), 0, 9)
    assert read("--stop-daemon master").daemon == SyncDaemon("master", "eth0")
    assert [read(line).verb for line in ("-C", "-R", "-S -n", "-Z", "-D -f 5")] == [
        "clear", "restore", "save", "zero", "delete-service"]


def test_names_are_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = {("www", False): WEB.ip, ("www", True): SIX.ip}
    monkeypatch.setattr(module, "find_host", lambda name, six: hosts.get((name, six)))
    monkeypatch.setattr(module, "find_port", lambda name, protocol: {("http", TCP): 80}.get((name, protocol)))
    assert read("-D -t www:http").service == Service(WEB)
    assert read("-D -t [www]:http").service == Service(SIX, prefix=128)
    for line in ("-D -t wwww:http", "-D -u www:http"):
        with pytest.raises(Refused):
            read(line)


@pytest.mark.parametrize(("line", "words"), [
    ("-A -t 192.0.2.1:80 -w 5", "-w does not go with --add-service"),
    ("-A", "--add-service needs a service (-t, -u, --sctp-service or -f)"),
    ("-d -f 5", "--delete-server needs a real server (-r)"),
    ("-A -t 2001:db8::1:80", "to give it a port write [2001:db8::1:80]:80"),
    ("-A -t 192.0.2.1:80 -s rr -b sh-port", "scheduler rr has no flag sh-port"),
    ("-A -t 192.0.2.1:80 -b x", "there is no flag 'x'"),
    ("-A -t 192.0.2.1:80 -6", "-6 goes with a firewall mark"),
    ("-L -6", "-6 goes with a firewall mark"),
    ("-L -c --rate", "-c and --rate do not go together"),
    ("-a -t 192.0.2.1:80 -r 10.0.0.1 --tun-port 5", "--tun-port goes with a tunnel (-i)"),
    ("-a -t 192.0.2.1:80 -r 10.0.0.1 -i --tun-type gre --tun-remcsum", "--tun-remcsum does not go with --tun-type gre"),
    ("-a -t 192.0.2.1:80 -r 2001:db8::1", "of another address family is only reached by a tunnel"),
    ("-A -t [192.0.2.1]:80", "there is no host '192.0.2.1'"),
    ("-A -t [2001:db8::1]80", "not the address of a service"),
    ("-A -f ٣", "which is a number from 1 to 4294967295"),
])
def test_refusals_say_why(line: str, words: str) -> None:
    with pytest.raises(Refused) as raised:
        read(line)
    assert words in str(raised.value)


def test_what_can_be_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    for line in ("-A -D -f 5", "-A -f 5 -t 192.0.2.1:80", "-a -f 5 -r 10.0.0.1 -g -m", "-L -n -n"):
        with pytest.raises(SystemExit):
            read(line)
        assert "is one too many: its place is taken already" in capsys.readouterr().err

"""What the priority of an instance may depend on, groups of instances, and the scripts that are told of changes."""

from __future__ import annotations

from typing import Any

from hakeep.config.schema import OURS, Block, Entries, Repeat, Section, block_of, given, keyword
from hakeep.config.settled import Script
from hakeep.config.values.numbers import Flag, OptBool, Seconds, Weight, Whole
from hakeep.config.values.options import Options, Pairs, Tracked, one_of
from hakeep.config.values.questions import HTTP, PING, ROUTE, TCP, UNIT, VIRTUAL_SERVER, Question
from hakeep.config.values.scripts import Command, User
from hakeep.config.values.words import Choice, Word, Words

_HOURLY = Seconds(0.000001, 3600)

TrackedEntry = tuple[str, int | None, bool | None]


_TRACKERS: dict[str, tuple[Tracked, str]] = {
    "track_interface": (Tracked("IFNAME", 253, noreverse=False, example="eth1"), "interfaces whose state counts"),
    "track_script": (Tracked("SCRIPT", 253), "vrrp_script blocks whose result counts"),
    "track_file": (Tracked("FILE", 254), "track_file blocks whose number counts"),
    "track_process": (Tracked("PROCESS", 254), "vrrp_track_process blocks whose count counts"),
    "track_bfd": (Tracked("BFD", 253), "bfd_instance blocks whose session counts"),
}


def tracker(name: str) -> Any:
    """The field of a track_* block, for instances and groups."""
    entry, doc = _TRACKERS[name]
    return keyword(Entries(entry), doc, vital=name == "track_interface")


_QUESTIONS: dict[str, tuple[Question, str]] = {
    "track_ping": (PING, "an address that must answer to pings"),
    "track_tcp": (TCP, "a port that must take connections"),
    "track_http": (HTTP, "a page that must be there"),
    "track_unit": (UNIT, "a systemd unit that must be active"),
    "track_route": (ROUTE, "a route that must be there"),
    "track_virtual_server": (VIRTUAL_SERVER, "a virtual_server that must have its quorum"),
}


def question(name: str) -> Any:
    """The field of a tracker on one line, for instances and groups."""
    value, doc = _QUESTIONS[name]
    return keyword(value, doc, repeat=Repeat.ADD, since=OURS, default="none")


def hold_down() -> Any:
    """The field of that name, for instances and groups."""
    return keyword(
        Seconds(0, 3600, 3), "how long what has failed must be well again before it counts", since=OURS, default="0",
        sample="10")


def last_standing() -> Any:
    """The field of that name, for instances and groups."""
    return keyword(OptBool(), "serve in spite of failed checks when nobody else can", since=OURS, default="off",
                   sample="on")


def notifier(when: str) -> Any:
    """The field of a notify script, for instances and groups."""
    return keyword(Command(), f"run {when}", fatal=True, repeat=Repeat.FIRST)


class VrrpSyncGroup(Section):
    """Instances that must all be in the same state."""

    group: tuple[str, ...] = keyword(
        Entries(Word("INSTANCE"), words=True), "the members", required=True, repeat=Repeat.FIRST)
    track_interface: tuple[TrackedEntry, ...] = tracker("track_interface")
    track_script: tuple[TrackedEntry, ...] = tracker("track_script")
    track_file: tuple[TrackedEntry, ...] = tracker("track_file")
    track_process: tuple[TrackedEntry, ...] = tracker("track_process")
    track_bfd: tuple[TrackedEntry, ...] = tracker("track_bfd")
    track_ping: tuple[Pairs, ...] = question("track_ping")
    track_tcp: tuple[Pairs, ...] = question("track_tcp")
    track_http: tuple[Pairs, ...] = question("track_http")
    track_unit: tuple[Pairs, ...] = question("track_unit")
    track_route: tuple[Pairs, ...] = question("track_route")
    track_virtual_server: tuple[Pairs, ...] = question("track_virtual_server")
    hold_down: float | None = hold_down()
    last_standing: bool | None = last_standing()
    notify_master: Script | None = notifier("on becoming MASTER")
    notify_backup: Script | None = notifier("on becoming BACKUP")
    notify_fault: Script | None = notifier("on entering FAULT")
    notify_stop: Script | None = notifier("when the daemon stops")
    notify: Script | None = notifier("on every change; kind, name, state and priority follow as arguments")
    smtp_alert: bool | None = keyword(
        OptBool(), "send mail on changes of state", default="smtp_alert_vrrp, smtp_alert, false")
    notify_priority_changes: bool | None = keyword(
        OptBool(), "tell FIFOs when only a priority changed", default="vrrp_notify_priority_changes")
    sync_group_tracking_weight: bool | None = keyword(
        Flag(), "let members track with weights", default="off", old=("global_tracking!",))


class VrrpScript(Section):
    """A command that is run again and again, and whose result counts."""

    script: Script | None = keyword(Command(arguments=True), "the command", required=True)
    interval: float | None = keyword(Seconds(0.001, 4294, 3, otherwise=1.0), "from one start to the next", fatal=True,
                                     default="1", sample="2")
    timeout: float | None = keyword(Seconds(0.001, 4294, 3, otherwise=1.0), "time after which a run has failed",
                                    fatal=True, default="interval", sample="1")
    weight: tuple[int, bool] | None = keyword(
        Weight(-253, 253), "change of priority; 0: failure means FAULT", fatal=True, default="0")
    rise: int | None = keyword(
        Whole(1, 2**31 - 1, otherwise=1), "successes in a row that are needed", fatal=True, default="1", sample="2")
    fall: int | None = keyword(
        Whole(1, 2**31 - 1, otherwise=1), "failures in a row that are needed", fatal=True, default="1", sample="3")
    user: tuple[str, str | None] | None = keyword(User(), "account that runs it", fatal=True, default="script_user")
    init_fail: bool | None = keyword(Flag(), "take it for failed before the first result", default="off")


VRRP_SYNC_GROUP = block_of(VrrpSyncGroup, name="NAME", exact=True, unique=True)
VRRP_SCRIPT = block_of(VrrpScript, name="NAME", exact=False, shown=("interval", "fall", "weight"))

VRRP_TRACK_PROCESS = Block("Counts running processes of a command.", name="NAME", unique=True, silent=True, children=[
    given("process", Words("COMMAND [PARAM ...]", example="nginx"),
          "the command; with PARAMs all arguments are compared", fatal=True, required=True),
    given("param_match", Choice("initial", "partial", default="exact"), "how PARAMs are compared", default="exactly"),
    given("weight", Weight(-254, 254), "change of priority; 0: too few mean FAULT", default="0"),
    given("quorum", Whole(1, 65535), "fewest processes", fatal=True, default="1", sample="2"),
    given("quorum_max", Whole(0, 65535), "most processes", fatal=True, default="no limit", sample="10"),
    given("delay", _HOURLY, "both of the following at once", fatal=True, default="0", sample="0.5"),
    given("terminate_delay", _HOURLY, "wait when there are too few", fatal=True, default="0", sample="0.5"),
    given("fork_delay", _HOURLY, "wait when there are enough again", fatal=True, default="0", sample="0.5"),
    given("full_command", Flag(), "compare the whole command line", default="off"),
])

TRACK_FILE = Block("A file whose number counts.", name="NAME", unique=True, silent=True, children=[
    given("file", Word("PATH"), "the file", required=True, sample="/run/load"),
    given("weight", Weight(-254, 254), "factor of the number; 0: any other number means FAULT", default="1"),
    given("init_file", Options("[VALUE] [overwrite]", [("value", lambda word: "" if word.lstrip("+-").isdecimal()
                               else "a whole number")], {"overwrite": None}, example="0"),
          "create the file at start", default="off"),
])

TRACK_GROUP = Block("Instances that static addresses, routes and rules follow.", name="NAME", unique=True, children=[
    given("group", Entries(Word("INSTANCE"), words=True), "the members", required=True, repeat=Repeat.FIRST),
])

LINKBEAT = Options("IFNAME [MII|ETHTOOL|IOCTL]", [("interface", lambda word: ""),
                   ("method", one_of("MII", "ETHTOOL", "IOCTL"))], least=1, example="eth0 ETHTOOL")

"""A recording, replayed, does again what was done; and it gives no secret away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.config.settled import Fifo, Global, HmacAuth, LinkDelay, Notify, Script, Settings
from hakeep.config.settled_track import Track
from hakeep.vrrp import messages as m
from hakeep.vrrp.disguise import Disguise
from hakeep.vrrp.engine import Engine, Mark
from hakeep.vrrp.notation import CLASSES, NotationError, read, write
from hakeep.vrrp.receive import Discard, Receiver
from hakeep.vrrp.recording import Recorder, RecordingError, Step, _plain, decode, encode, replay, take_down
from hakeep.vrrp.transmit import AuthMemory
from tests.simulation.groups import World
from tests.simulation.world import run
from tests.vrrp.stage import ETH0, ETH1, VIP4, Stage, instance, vip

SALT = b"0123456789abcdef"


def again(recorder: Recorder) -> Iterator[Step]:
    """What has been recorded, through its lines and lived through once more."""
    return replay(decode(encode(recorder.take(), SALT)))


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[Recorder, list[Step]]]]:
    """Every engine gets a recorder, and what it really did is written down beside it."""
    found: list[tuple[Recorder, list[Step]]] = []
    known: dict[int, tuple[Recorder, list[Step]]] = {}
    step = Engine.step

    def noted(self: Engine, now: float, event: m.Event) -> list[m.Effect]:
        if id(self) not in known:
            known[id(self)] = (Recorder(self, capacity=60), [])
            found.append(known[id(self)])
        recorder, log = known[id(self)]
        recorder.note(now, event)
        effects = step(self, now, event)
        log.append(Step(now, event, effects, {name: router.state for name, router in self.routers.items()}, {}))
        return effects

    monkeypatch.setattr(Engine, "step", noted)
    yield found
    monkeypatch.undo()


@pytest.mark.parametrize("seed", range(40))
def test_a_replay_does_what_was_done(seed: int, recorded: list[tuple[Recorder, list[Step]]]) -> None:
    """Through JSON and disguise, from wherever the recording happens to begin."""
    run(seed, life=60.0)
    assert recorded
    do_again(recorded)


@pytest.mark.parametrize("seed", range(24))
def test_so_it_does_with_groups_and_what_they_go_by(seed: int, recorded: list[tuple[Recorder, list[Step]]]) -> None:
    """Some recordings begin while a member waits for the others, or is held back until something is known."""
    World(seed).live(6)
    assert recorded
    do_again(recorded)


def do_again(recorded: list[tuple[Recorder, list[Step]]]) -> None:
    """Replay each of these recordings, and compare."""
    for recorder, log in list(recorded):
        once_more = list(again(recorder))
        assert len(once_more) == len(recorder) >= min(30, len(log))
        for real, replayed in zip(log[-len(once_more) :], once_more, strict=True):
            assert replayed.now == real.now
            assert replayed.effects == real.effects, (real.now, real.event)
            assert replayed.states == real.states


def test_the_ring_keeps_between_half_and_all_of_its_capacity() -> None:
    s = Stage(instance())
    recorder = Recorder(s.engine, capacity=10)
    sizes = []
    for n in range(40):
        recorder.note(float(n), m.Ticked())
        sizes.append(len(recorder))
    assert max(sizes) == 10 and min(sizes[10:]) >= 5
    recording = recorder.take()
    assert [now for now, _ in recording.events] == [float(n) for n in range(40 - len(recording.events), 40)]


def test_what_was_taken_does_not_change_any_more() -> None:
    s = Stage(instance(priority=255, addresses=(vip(VIP4[0]), vip(VIP4[1]))))
    state = take_down(s.engine)
    before = json.dumps(write(_plain(state)))
    s.until(20)
    s.link(replace(ETH0, running=False))
    s.step(m.Stopped())
    assert json.dumps(write(_plain(state))) == before


def test_rate_limits_departing_routers_and_reloads_survive() -> None:
    one, two = instance(priority=255), instance("W", virtual_router_id=52, priority=255, addresses=(vip(VIP4[1]),))
    s = Stage(one, two)
    s.until(3.0)
    s.reload(one)  # W hands over
    recorder = Recorder(s.engine)
    log = []
    for now, event in (
        (3.1, m.Ticked()), (3.2, m.Heard("eth0", vip(VIP4[1]).address.ip.packed, b"")), (3.3, m.Ticked()),
        (3.3, m.Applied((), (("eth0", vip(VIP4[1]).address.ip, 32),))), (3.4, m.Ticked()),
        (4.0, m.Reloaded(Settings(vrrp=(replace(one, priority=7),)))), (5.0, m.Ticked()),
    ):
        recorder.note(now, event)
        log.append(s.engine.step(now, event))
    assert [step.effects for step in again(recorder)] == log
    assert any(isinstance(effect, m.Rebind) and effect.close for effects in log for effect in effects)


@given(capacity=st.integers(2, 30), count=st.integers(0, 100))
def test_what_is_kept_is_the_end_of_what_was_noted(capacity: int, count: int) -> None:
    recorder = Recorder(Stage(instance()).engine, capacity)
    for n in range(count):
        recorder.note(float(n), m.Ticked())
    kept = [now for now, _ in recorder.take().events]
    assert kept == [float(n) for n in range(count - len(kept), count)] and len(kept) == len(recorder)
    assert min(count, capacity // 2) <= len(kept) <= capacity


def test_wishes_and_addresses_that_a_reload_has_removed_are_in_it() -> None:
    """A replay that starts after the reload cannot look them up in the settings."""
    s = Stage(instance(priority=255, addresses=(vip(VIP4[0]), vip(VIP4[1]))))
    s.until(0.5)
    s.reload(instance(priority=255))
    recorder = Recorder(s.engine)
    log = []
    for now, event in ((0.6, m.Ticked()), (5.0, m.Ticked()), (5.1, m.Stopped()), (9.0, m.Ticked())):
        recorder.note(now, event)
        log.append(s.engine.step(now, event))
    assert [step.effects for step in again(recorder)] == log


def test_what_waits_to_begin_and_what_is_held_down_are_in_it() -> None:
    """A worker that goes on for a dead one has to wait until it knows what it goes by; a link counts when it lasts."""
    one = instance(tracks=(Track("script", "chk"), Track("interface", "eth1", -20)), hold_down=2.0)
    s = Stage(one, start=100.0, marks={"V": Mark(99.9, {}, 50.0)}, links=(ETH0, ETH1))
    s.step(m.Reloaded(replace(s.settings, link_delays=(LinkDelay("eth1", 1.0, 3.0),))))
    recorders, log, down = [], [], replace(ETH1, running=False)
    for now, event in (
        (100.1, m.Tracked("script", "chk", True)), (100.2, m.LinkChanged("eth1", down)), (101.3, m.Ticked()),
        (102.0, m.LinkChanged("eth1", ETH1)), (103.0, m.Tracked("script", "chk", False)),
        (103.5, m.Tracked("script", "chk", True)), (105.6, m.Ticked()), (107.5, m.Ticked()), (110.0, m.Ticked()),
    ):
        recorders.append(Recorder(s.engine))
        for recorder in recorders:
            recorder.note(now, event)
        log.append(s.engine.step(now, event))
    assert m.Changed("V", m.State.MASTER) in log[0]
    for begin, recorder in enumerate(recorders):
        assert [step.effects for step in again(recorder)] == log[begin:]


def test_the_event_that_the_engine_fails_over_is_the_last_step(monkeypatch: pytest.MonkeyPatch) -> None:
    s = Stage(instance())
    recorder = Recorder(s.engine)
    for event in (m.Ticked(), m.Woken(3.0), m.Ticked()):
        recorder.note(1.0, event)

    def fail(*_: object) -> None:
        raise KeyError("V")

    monkeypatch.setattr(type(s.router()), "overslept", fail)
    steps = list(again(recorder))
    assert [step.failure for step in steps] == ["", "KeyError: 'V'"]


def test_a_driver_that_rests_has_chapters_begin_then() -> None:
    s = Stage(instance())
    recorder = Recorder(s.engine, capacity=100)
    sizes = []
    for n in range(1000):
        recorder.note(float(n), m.Ticked())
        recorder.rest()
        sizes.append(len(recorder))
    assert max(sizes) < 100 and min(sizes[100:]) >= 45
    assert [now for now, _ in recorder.take().events] == [float(n) for n in range(1000 - len(recorder), 1000)]


# ---------------------------------------------------------------------------------------------------------- damage


def lines() -> list[str]:
    s = Stage(instance())
    recorder = Recorder(s.engine)
    for event in (s.packet(200, at=0.5), m.Ticked(), m.Reloaded(s.settings)):
        recorder.note(0.5, event)
    return list(encode(recorder.take(), SALT))


WHOLE = "\n".join(lines())


@given(at=st.integers(0, len(WHOLE) - 1), by=st.characters(codec="ascii"))
def test_a_damaged_file_is_refused(at: int, by: str) -> None:
    damaged = WHOLE[:at] + by + WHOLE[at + 1 :]
    if damaged.split() == WHOLE.split():
        return
    with pytest.raises(RecordingError):
        decode(damaged.split("\n"))


@given(end=st.integers(0, len(WHOLE) - 1))
def test_half_a_file_is_refused(end: int) -> None:
    with pytest.raises(RecordingError):
        decode(WHOLE[:end].split("\n"))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.sampled_from(["State", "Ticked", "Settings"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*"@bdefs", "ip", "hakeep"]), inner),
    max_leaves=8,
)


@given(state=JSON, event=JSON)
def test_well_sealed_nonsense_is_refused(state: object, event: object) -> None:
    head, *_, _ = (json.loads(line) for line in lines())
    for documents in ([{**head, "state": state}], [head, event], [head, [0.0, event]], [state]):
        with pytest.raises(RecordingError):
            list(replay(decode(sealed(*documents))))


@pytest.mark.parametrize("ahead", ["NaN", "Infinity", "true", '"1"', "null", "[]"])
def test_times_are_numbers(ahead: str) -> None:
    head, *_ = lines()
    with pytest.raises(RecordingError):
        decode(sealed(json.loads(head.replace('"ahead":0.0', f'"ahead":{ahead}'))))


def sealed(*documents: object) -> list[str]:
    body = [json.dumps(document) for document in documents]
    return [*body, json.dumps({"events": len(body) - 1, "sha256": sha256("".join(body).encode()).hexdigest()})]


def test_endless_nesting_is_refused() -> None:
    with pytest.raises(RecordingError):
        decode(["[" * 100_000])


def test_a_state_that_the_engine_cannot_take_is_refused() -> None:
    head, *events, _ = (json.loads(line) for line in lines())
    assert list(replay(decode(sealed(head, *events))))
    for routers in ({"d": [["V", {"d": []}]]}, 7):
        head["state"]["d"] = [[key, routers if key == "routers" else value] for key, value in head["state"]["d"]]
        recording = decode(sealed(head, *events))
        with pytest.raises(RecordingError, match="does not fit the engine"):
            list(replay(recording))


# --------------------------------------------------------------------------------------------------------- secrets

HMAC = HmacAuth(((1, b"first key, which is thirty-two b."), (2, b"second key, which is as long as 1")), 1, 5)
SECRETS = (
    {"auth_type": "PASS", "auth_pass": b"hunter2\0"}, {"auth_type": "AH", "auth_pass": b"hunter2\0"},
    {"auth_hmac": HMAC}, {"auth_hmac": HMAC, "version": 3}, {"auth_hmac": HMAC, "family": 6},
)
WORDS = (b"hunter2", b"first key", b"second key")


@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_is_in_the_lines(secret: dict[str, object]) -> None:
    s = Stage(instance(**secret))
    recorder = Recorder(s.engine)
    recorder.note(0.5, s.packet(200))
    recorder.note(0.6, m.Reloaded(s.settings))
    text = "\n".join(encode(recorder.take(), SALT))
    for word in WORDS:
        assert word.decode() not in text and word.hex() not in text
    assert text != "\n".join(encode(recorder.take(), b"another salt")), "the digest cannot be looked up"


def test_passwords_for_relays_and_webhooks_are_left_out() -> None:
    said = Global(smtp_login=("u", "sesame"), notify_webhook="http://x/token", notify_webhook_secret="geheim")
    hidden = Disguise(SALT).settings(Settings(globals=said)).globals
    assert (hidden.smtp_login, hidden.notify_webhook, hidden.notify_webhook_secret) == ((), "", "")


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("change", [{}, {"auth_pass": b"wrong\0\0\0"}, {"auth_hmac": None}, {"spoilt": True}])
def test_a_disguised_packet_is_judged_as_the_real_one(secret: dict[str, object], change: dict[str, object]) -> None:
    change = dict(change)
    s = Stage(instance(**secret))
    spoilt = change.pop("spoilt", False)
    packet = s.packet(200, **change)
    if spoilt:
        packet = packet._replace(data=packet.data[:-1] + bytes((packet.data[-1] ^ 1,)))
    disguise = Disguise(SALT)
    hidden = disguise.settings(s.settings).vrrp[0]
    real = Receiver(s.settings.vrrp[0], AuthMemory()).check(packet, current_master=None)
    told = disguise.event(packet)
    assert isinstance(told, m.Received)
    judged = Receiver(hidden, AuthMemory()).check(told, current_master=None)
    if isinstance(real, Discard):
        assert isinstance(judged, Discard) and judged.counter == real.counter
    else:
        assert judged == real


def test_the_password_of_a_stranger_is_hidden_too() -> None:
    s = Stage(instance(auth_type="PASS", auth_pass=b"ours\0\0\0\0"))
    packet = s.packet(200, auth_pass=b"theirs!!", virtual_router_id=99)
    told = Disguise(SALT).event(packet)
    assert isinstance(told, m.Received) and b"theirs" not in told.data and len(told.data) == len(packet.data)


def test_no_password_stays_no_password() -> None:
    s = Stage(instance(auth_type="PASS"))
    packet = s.packet(200)
    assert Disguise(SALT).event(packet) == packet


@pytest.mark.parametrize("spoil", [3, 0, 4])
def test_a_password_in_a_packet_that_is_not_built_right_is_hidden_too(spoil: int) -> None:
    """Another count of addresses, another version, another authentication type: it does not stand where it should."""
    s = Stage(instance(auth_type="PASS", auth_pass=b"hunter2\0"))
    data = bytearray(s.packet(200).data)
    data[20 + spoil] ^= 0x73
    recorder = Recorder(s.engine)
    recorder.note(0.5, s.packet(200)._replace(data=bytes(data)))
    text = "\n".join(encode(recorder.take(), SALT))
    assert b"hunter2".hex() not in text


def test_arguments_of_scripts_are_hidden_but_changes_are_seen() -> None:
    def script(password: str) -> Script:
        return Script(("/bin/notify", "--password", password))

    one, two = (
        Settings(
            Global(startup_script=script(word), notify_fifo=Fifo("/run/f", script=script(word))),
            (instance(notify=Notify(master=script(word))),),
        )
        for word in ("hunter2", "hunter3")
    )
    disguise = Disguise(SALT)
    hidden = [disguise.settings(settings) for settings in (one, one, two)]
    assert hidden[0] == hidden[1]
    for here, there in zip(scripts(hidden[0]), scripts(hidden[2]), strict=True):
        assert here != there and here.argv[0] == "/bin/notify" and here.argv[1] == there.argv[1]
    assert "hunter" not in repr(hidden)


def scripts(settings: Settings) -> list[Script]:
    fifo = settings.globals.notify_fifo
    found = [settings.globals.startup_script, fifo.script if fifo else None, settings.vrrp[0].notify.master]
    return [script for script in found if script is not None]


@given(data=st.binary(max_size=90), six=st.booleans())
def test_any_bytes_can_be_disguised(data: bytes, six: bool) -> None:
    disguise = Disguise(SALT)
    disguise.settings(Settings(vrrp=(instance(auth_type="AH", auth_pass=b"x"), instance(auth_hmac=HMAC))))
    source = bytes(16 if six else 4)
    for prefix in (b"", b"\x45" + bytes(8) + b"\x70" + bytes(10), b"\x45\0\0\x40" + bytes(5) + b"\x33" + bytes(10)):
        told = disguise.event(m.Received("eth0", prefix + data, source, source, 255, 0.0, 0.0))
        assert isinstance(told, m.Received) and len(told.data) == len(prefix + data)


# --------------------------------------------------------------------------------------------------------- notation


@pytest.mark.parametrize(
    "value",
    [
        None, True, 7, "x", 1.5, float("inf"), float("-inf"), b"\0\xff", vip("10.0.0.1"), instance(family=6), ETH0,
        (1, (2, 3)), frozenset({1, 2}), {("eth0", 1): (2,)}, m.State.MASTER, m.Level.ERROR, m.Ticked(), m.Stopped(True),
        m.Commanded("standby", ("V",)), m.Log(m.Level.INFO, "x"), m.Refused("V", None, 5),
    ],
)
def test_what_is_written_can_be_read(value: object) -> None:
    text = json.dumps(write(value), allow_nan=False)
    again = read(json.loads(text))
    assert again == value and type(again) is type(value)


def test_every_event_and_effect_has_a_notation() -> None:
    for kind in (*m.Event.__args__, *m.Effect.__args__):  # type: ignore[attr-defined]
        assert CLASSES[kind.__name__] is kind


@pytest.mark.parametrize(
    "document",
    [{}, {"a": 1, "b": 2}, {"?": 1}, {"@": ["os.system", {}]}, {"@": ["Ticked", {"x": 1}]}, {"ip": "x"}, {"b": 5},
     {"e": ["State", "NOBODY"]}, {"d": [[1]]}, {"f": []}],
)
def test_rubbish_is_no_value(document: object) -> None:
    with pytest.raises(NotationError):
        read(document)


def test_what_has_no_notation_is_refused() -> None:
    with pytest.raises(NotationError):
        write(object())


@pytest.mark.parametrize(
    "lines",
    [[], ["x"], ["[]"], ['{"hakeep":99,"recording":"vrrp"}'], ['{"hakeep":2,"recording":"vrrp"}'],
     ['{"hakeep":2,"recording":"vrrp","state":{"?":1}}'], ['{"hakeep":2,"recording":"vrrp","state":1}', "[1]"]],
)
def test_rubbish_is_no_recording(lines: list[str]) -> None:
    with pytest.raises(RecordingError):
        decode(lines)

"""One check's life: each row says whether it is as keepalived does it, or why not."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from ipaddress import ip_address
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.config.settled import Script
from hakeep.config.settled_lvs import (
    AgentProbe,
    BfdProbe,
    Check,
    DnsProbe,
    FileProbe,
    GrpcProbe,
    MiscProbe,
    Peer,
    PingProbe,
    Probe,
    SmtpProbe,
    TcpProbe,
    Timing,
    UdpProbe,
)
from hakeep.lvs.check import FIRST, SWAY, Inquiry, fraction, key
from hakeep.lvs.messages import Result
from tests.lvs.stage import QUICK, http, tcp

GOOD, BAD, LOCAL = Result(True, "fine"), Result(False, "refused"), Result(False, "no socket", local=True)
LOOP, RETRY = 10.0, 2.0
PEER = Peer(ip_address("10.0.0.1"), 80)
PATIENT = replace(QUICK, retry=3)


def run(check: Check, answers: str, *, latency: float = 0.5) -> list[tuple[str, float, int]]:
    """Let a check get these answers (+ good, - bad, ! local), each half a second after its time. For each of them: up
    or down, seconds from the answer to the next try (LOOP if that is near), and the page of that."""
    inquiry = Inquiry(key(check), check)
    inquiry.begin(0.0)
    found = []
    for answer in answers:
        now = inquiry.due + latency
        inquiry.answered(now, {"+": GOOD, "-": BAD, "!": LOCAL}[answer])
        pause = round(inquiry.due - now, 6)
        found.append((
            "UP" if inquiry.verdict.up else "DOWN", LOOP if abs(pause - LOOP) <= SWAY * LOOP else pause, inquiry.page))
    return found


AS, NOT = "as keepalived", "differs on purpose: "


@pytest.mark.parametrize(("answers", "expected", "source"), [
    ("+", [("UP", LOOP)], f"{AS} (G.1): the next one a delay_loop after the end of the last one"),
    ("-", [("DOWN", LOOP)], f"{AS} (G.1): a first failure counts at once, whatever retry says"),
    ("+-", [("UP", LOOP), ("UP", RETRY)], f"{AS} (G.1): after that it has retries"),
    ("+----", [("UP", LOOP), *[("UP", RETRY)] * 3, ("DOWN", LOOP)], f"{AS}: `retry` of them, then it is down"),
    ("+--+----", [("UP", LOOP), *[("UP", RETRY)] * 2, ("UP", LOOP), *[("UP", RETRY)] * 3, ("DOWN", LOOP)],
     f"{AS}: one success gives all retries back"),
    ("---", [("DOWN", LOOP)] * 3, f"{AS}: while down, each delay_loop"),
    ("-+-", [("DOWN", LOOP), ("UP", LOOP), ("UP", RETRY)], f"{AS}: one success brings it up, counter cleared"),
    ("!", [("UP", LOOP)], f"{AS}: a local error only reschedules"),
    ("!-", [("UP", LOOP), ("DOWN", LOOP)], f"{AS}: and after it the first real answer is still the first"),
    ("+-!-", [("UP", LOOP), ("UP", RETRY), ("UP", LOOP), ("UP", RETRY)], f"{AS}: nor does it cost a retry"),
    ("-!", [("DOWN", LOOP)] * 2, f"{AS}: nor does it bring anybody up"),
])
def test_answers(answers: str, expected: list[tuple[str, float]], source: str) -> None:
    assert [row[:2] for row in run(tcp("10.0.0.1", timing=PATIENT), answers)] == expected, source


@pytest.mark.parametrize(("answers", "expected", "source"), [
    ("", True, f"{AS}: assumed to be well"),
])
def test_begins_as_well(answers: str, expected: bool, source: str) -> None:
    assert Inquiry("00000000", tcp("10.0.0.1")).verdict.up is expected, source


@pytest.mark.parametrize(("answers", "expected"), [("-", "DOWN"), ("+", "UP"), ("!", "DOWN"), ("-+", "UP")])
def test_alpha_is_failed_until_proved_well(answers: str, expected: str) -> None:
    """As keepalived."""
    assert not Inquiry("00000000", tcp("10.0.0.1", alpha=True)).verdict.up
    assert run(tcp("10.0.0.1", alpha=True), answers)[-1][0] == expected


def test_retry_zero() -> None:
    """As keepalived (MISC_CHECK): each failure counts."""
    assert run(tcp("10.0.0.1", timing=replace(QUICK, retry=0)), "+-") == [("UP", LOOP, 0), ("DOWN", LOOP, 0)]


@pytest.mark.parametrize(("pages", "fast", "answers", "expected", "source"), [
    (3, False, "+++", [("UP", LOOP, 1), ("UP", LOOP, 2), ("UP", LOOP, 0)], f"{AS} (G.2): one page each delay_loop"),
    (3, False, "++-", [("UP", LOOP, 1), ("UP", LOOP, 2), ("UP", RETRY, 2)],
     f"{AS}: the success of a page gives the retries back, also in the first round"),
    (2, False, "-", [("DOWN", LOOP, 0)], f"{AS}: the very first answer counts at once"),
    (2, False, "++----", [("UP", LOOP, 1), ("UP", LOOP, 0), *[("UP", RETRY, 0)] * 3, ("DOWN", LOOP, 0)],
     f"{AS}: the failed page is tried again"),
    (3, False, "+--------", [("UP", LOOP, 1), *[("UP", RETRY, 1)] * 3, *[("DOWN", LOOP, 1)] * 5],
     f"{AS}: it alone, each delay_loop"),
    (2, False, "-+++", [("DOWN", LOOP, 0), ("DOWN", LOOP, 0), ("DOWN", LOOP, 1), ("UP", LOOP, 0)],
     f"{AS}: when it passes, all are gone through again before UP"),
    (2, False, "-++-+++", [("DOWN", LOOP, 0), ("DOWN", LOOP, 0), ("DOWN", LOOP, 1), ("DOWN", LOOP, 1),
                           ("DOWN", LOOP, 0), ("DOWN", LOOP, 1), ("UP", LOOP, 0)],
     f"{AS}: a page that fails in that round is the failed page"),
    (1, False, "-+", [("DOWN", LOOP, 0), ("UP", LOOP, 0)],
     f"{NOT}one page is the whole round, it need not be asked twice"),
    (3, True, "+++", [("UP", 0.0, 1), ("UP", 0.0, 2), ("UP", LOOP, 0)],
     f"{AS}: fast_recovery has no pauses while the check has not yet run"),
    (2, True, "++++", [("UP", 0.0, 1), ("UP", LOOP, 0), ("UP", LOOP, 1), ("UP", LOOP, 0)], f"{AS}: afterwards it has"),
    (2, True, "-+++", [("DOWN", LOOP, 0), ("DOWN", 0.0, 0), ("DOWN", 0.0, 1), ("UP", LOOP, 0)],
     f"{AS}: and none once the failed page has passed"),
])
def test_pages(pages: int, fast: bool, answers: str, expected: list[tuple[str, float, int]], source: str) -> None:
    assert run(http("10.0.0.1", pages, fast=fast, timing=PATIENT), answers) == expected, source


def test_a_failed_page_waits_for_the_longer_of_both_pauses() -> None:
    """As keepalived (G.2)."""
    slow = replace(QUICK, delay_before_retry=25.0)
    assert run(http("10.0.0.1", timing=slow), "-") == [("DOWN", 25.0, 0)]
    assert run(tcp("10.0.0.1", timing=slow), "-") == [("DOWN", LOOP, 0)]


def test_a_round_that_has_not_ended_proves_nothing() -> None:
    """As keepalived: the first round must finish completely before the checker counts as run."""
    check = http("10.0.0.1", 2)
    inquiry = Inquiry(key(check), check)
    assert not inquiry.answered(1.0, GOOD)
    assert not inquiry.verdict.proved
    assert [log.text for log in inquiry.answered(11.0, GOOD)] == [
        "Remote Web server [10.0.0.1]:tcp:80 succeed on service."]
    assert inquiry.verdict.proved


def test_first_check_comes_after_a_second_and_a_part_of_warmup() -> None:
    """As keepalived, but that the part is made from the key: the same after each start."""
    dues = []
    for n in range(400):
        check = tcp(f"10.0.{n // 200}.{n % 200 + 1}", timing=replace(QUICK, warmup=30.0))
        inquiry = Inquiry(key(check), check)
        inquiry.begin(100.0)
        dues.append(inquiry.due - 100.0)
    assert min(dues) >= FIRST and max(dues) <= FIRST + 30.0
    for third in range(3):  # evenly spread
        assert 90 < sum(third * 10 <= due - FIRST < third * 10 + 10 for due in dues) < 180


def test_what_is_known_is_not_put_off_by_a_long_warmup() -> None:
    check = tcp("10.0.0.1", timing=replace(QUICK, warmup=3600.0))
    inquiry = Inquiry(key(check), check)
    assert inquiry.restore('{"proved":true,"why":"refused"}')
    inquiry.begin(0.0)
    assert inquiry.due <= FIRST + LOOP


# ---------------------------------------------------------------------------------------------------------- in step


def pauses(check: Check, answers: str) -> list[float]:
    """Seconds from each of these answers to the next try."""
    inquiry = Inquiry(key(check), check)
    now, found = 0.0, []
    for answer in answers:
        inquiry.answered(now, {"+": GOOD, "-": BAD, "!": LOCAL}[answer])
        found.append(inquiry.due - now)
        now = inquiry.due
    return found


@pytest.mark.parametrize("answer", ["+", "-", "!"])
def test_a_pause_is_a_delay_loop_on_average_and_never_far_from_it(answer: str) -> None:
    """Also while a server is down."""
    for n in range(20):
        found = pauses(tcp(f"10.0.0.{n + 1}", timing=PATIENT), answer * 1000)
        assert all(0.95 * LOOP <= each <= 1.05 * LOOP for each in found)
        assert abs(sum(found) / 1000 - LOOP) < 0.002 * LOOP
        assert len(set(found)) > 990
        below = [each < LOOP for each in found]
        turns = sum(one != other for one, other in pairwise(below))
        assert 400 < turns < 600, "the next one has nothing to do with the last one"


def test_servers_that_fail_together_do_not_stay_in_step() -> None:
    """They are asked at the same moment now, and in ever wider a time later."""
    runs = [pauses(tcp(f"10.0.{n // 200}.{n % 200 + 1}", timing=PATIENT), "-" * 200) for n in range(200)]
    for rounds, width in ((1, 0.04), (20, 0.15), (200, 0.5)):
        at = [sum(run[:rounds]) for run in runs]
        assert max(at) - min(at) > width * LOOP


def test_where_they_are_is_made_from_the_key() -> None:
    check = tcp("10.0.0.1")
    assert pauses(check, "+-+-") == pauses(check, "+-+-")
    assert pauses(check, "+") != pauses(tcp("10.0.0.2"), "+")


@pytest.mark.parametrize("check", [
    tcp("10.0.0.1", timing=PATIENT), http("10.0.0.1", timing=PATIENT),
    Check("DNS_CHECK", DnsProbe(PEER), replace(PATIENT, delay_before_retry=LOOP))])
def test_a_retry_comes_when_it_was_configured(check: Check) -> None:
    """As keepalived (G.1)."""
    inquiry = Inquiry(key(check), check)
    inquiry.answered(0.0, GOOD)
    for now in (10.0, 20.0, 30.0):
        inquiry.answered(now, BAD)
        assert inquiry.due == now + check.timing.delay_before_retry


# ---------------------------------------------------------------------------------------------------------- words


@pytest.mark.parametrize(("kind", "probe", "good", "bad"), [
    ("TCP_CHECK", TcpProbe(PEER), "TCP connection to [10.0.0.1]:tcp:80 success.",
     "TCP_CHECK on service [10.0.0.1]:tcp:80 failed after 1 retries. Refused"),
    ("SSL_GET", http("10.0.0.1").probe, "Remote Web server [10.0.0.1]:tcp:80 succeed on service.",
     "HTTP_CHECK on service [10.0.0.1]:tcp:80 failed after 1 retries. Refused"),
    ("SMTP_CHECK", SmtpProbe(PEER), "Remote SMTP server [10.0.0.1]:tcp:80 succeed on service.",
     "SMTP_CHECK on service [10.0.0.1]:tcp:80 failed after 1 retries. Refused"),
    ("UDP_CHECK", UdpProbe(PEER), "UDP connection to [10.0.0.1]:udp:80 success.",
     "UDP_CHECK on service [10.0.0.1]:udp:80 failed after 1 retries. Refused"),
    ("PING_CHECK", PingProbe(PEER), "ICMP connection to [10.0.0.1] success.",
     "ICMP CHECK on service [10.0.0.1] failed after 1 retries. Refused"),
    ("DNS_CHECK", DnsProbe(PEER), "DNS_CHECK on service [10.0.0.1]:udp:80 success.",
     "DNS_CHECK on service [10.0.0.1]:udp:80 failed after 1 retries. Refused"),
    ("MISC_CHECK", MiscProbe(Script(("/bin/x", "a")), 5.0), "MISC_CHECK on service [/bin/x a] success.",
     "MISC_CHECK on service [/bin/x a] failed after 1 retries. Refused"),
    ("GRPC_CHECK", GrpcProbe(PEER), "GRPC_CHECK on service [10.0.0.1]:tcp:80 success.",
     "GRPC_CHECK on service [10.0.0.1]:tcp:80 failed after 1 retries. Refused"),
])
def test_words(kind: str, probe: Probe, good: str, bad: str) -> None:
    inquiry = Inquiry("00000000", Check(kind, probe, QUICK))
    assert [log.text for log in inquiry.answered(1.0, GOOD)] == [good]
    assert inquiry.answered(11.0, GOOD) == []
    assert inquiry.answered(21.0, BAD) == []
    assert [log.text for log in inquiry.answered(23.0, BAD)] == [bad]
    assert inquiry.answered(33.0, BAD) == []
    assert [log.text for log in inquiry.answered(43.0, GOOD)] == [good]


def test_a_first_failure_had_no_retries() -> None:
    """As keepalived."""
    inquiry = Inquiry("00000000", tcp("10.0.0.1"))
    assert [log.text for log in inquiry.answered(1.0, BAD)] == [
        "TCP_CHECK on service [10.0.0.1]:tcp:80 failed. Refused"]


@pytest.mark.parametrize("where", ["check", "director"])
def test_log_all_failures(where: str) -> None:
    inquiry = Inquiry("00000000", tcp("10.0.0.1", log_all_failures=where == "check"))
    log_all = where == "director"
    inquiry.answered(1.0, GOOD)
    lines = [log.text for at in (11.0, 13.0, 23.0) for log in inquiry.answered(at, BAD, log_all=log_all)]
    assert lines == [
        "TCP_CHECK on service [10.0.0.1]:tcp:80: refused",
        "TCP_CHECK on service [10.0.0.1]:tcp:80: refused",
        "TCP_CHECK on service [10.0.0.1]:tcp:80 failed after 1 retries. Refused",
        "TCP_CHECK on service [10.0.0.1]:tcp:80: refused",
    ]


def test_what_we_could_not_ask_is_said_once() -> None:
    inquiry = Inquiry("00000000", tcp("10.0.0.1"))
    assert [log.text for log in inquiry.answered(1.0, LOCAL)] == [
        "TCP_CHECK on service [10.0.0.1]:tcp:80 could not be made, which says nothing of the server: no socket"]
    assert inquiry.answered(11.0, LOCAL) == []
    inquiry.answered(21.0, GOOD)
    assert len(inquiry.answered(31.0, LOCAL)) == 1


# ---------------------------------------------------------------------------------------------------------- weights


def test_a_server_says_its_weight_and_is_silent_about_it_again() -> None:
    """As keepalived 2.2.7, seen there: exit status 0 of a dynamic MISC_CHECK brings the configured weight back."""
    inquiry = Inquiry("00000000", Check("MISC_CHECK", MiscProbe(Script(("/bin/x",)), 5.0, dynamic=True), QUICK))
    inquiry.answered(1.0, Result(True, "exit 12", weight=10))
    assert inquiry.verdict.weight == 10
    inquiry.answered(11.0, Result(True, "exit 0"))
    assert inquiry.verdict.weight is None
    inquiry.answered(21.0, Result(True, "exit 2", weight=0))
    assert inquiry.verdict.weight == 0


def test_an_agent_says_a_part_of_the_weight_and_drains() -> None:
    inquiry = Inquiry("00000000", Check("AGENT_CHECK", AgentProbe(PEER), QUICK))
    inquiry.answered(1.0, Result(True, "75%", weight=75))
    assert (inquiry.verdict.percent, inquiry.verdict.weight) == (75, None)
    inquiry.answered(11.0, Result(True, "drain", drain=True))
    assert inquiry.verdict.drain
    inquiry.answered(21.0, Result(True, "ready"))
    assert not inquiry.verdict.drain and inquiry.verdict.percent == 75


@pytest.mark.parametrize(("weight", "value", "up", "plus", "source"), [
    (1, 5, True, 5, f"{AS} [uml]: file 5, weight 1"),
    (-3, 5, True, -15, AS),
    (1, None, True, 0, f"{AS}: a file that is not there is 0"),
    (0, 0, True, 0, AS),
    (0, 7, False, 0, f"{AS}: weight 0, non-zero is down"),
    (1, -(2**31), False, 0, f"{AS}: a product of -2^31 is down"),
    (2, -(2**31), False, 0, f"{AS}: also beyond it"),
    (1, -(2**31) + 1, True, -(2**31) + 1, AS),
    (4, 2**31, True, 2**31 - 1, f"{AS}: clamped to 32 bits"),
])
def test_file(weight: int, value: int | None, up: bool, plus: int, source: str) -> None:
    inquiry = Inquiry("00000000", Check("FILE_CHECK", FileProbe("/run/x", weight)))
    assert not inquiry.asks
    inquiry.file_says(value)
    assert (inquiry.verdict.up, inquiry.verdict.plus) == (up, plus), source


@pytest.mark.parametrize(("value", "up"), [(0, False), (1, True), (None, False)])
def test_file_with_reverse(value: int | None, up: bool) -> None:
    inquiry = Inquiry("00000000", Check("FILE_CHECK", FileProbe("/run/x", 0, reverse=True)))
    inquiry.file_says(value)
    assert inquiry.verdict.up is up


def test_bfd_follows_its_session() -> None:
    """As keepalived: alpha is its default, and no timers."""
    inquiry = Inquiry("00000000", Check("BFD_CHECK", BfdProbe("b"), alpha=True))
    assert not inquiry.asks and not inquiry.verdict.up
    assert inquiry.session_is(True) and inquiry.verdict.up
    assert not inquiry.session_is(True)
    assert inquiry.session_is(False) and not inquiry.verdict.up


# ---------------------------------------------------------------------------------------------------------- keys


def test_keys_tell_apart_all_that_a_check_says() -> None:
    one = tcp("10.0.0.1")
    others = [
        tcp("10.0.0.2"), tcp("10.0.0.1", 81), tcp("10.0.0.1", alpha=True), http("10.0.0.1"),
        tcp("10.0.0.1", timing=replace(QUICK, retry=2)), replace(one, kind="X_CHECK"),
        replace(one, probe=TcpProbe(PEER, send=b"x")), replace(one, probe=TcpProbe(replace(PEER, timeout=6.0))),
    ]
    assert len({key(each) for each in (one, *others)}) == len(others) + 1
    assert key(tcp("10.0.0.1")) == key(one)
    assert " " not in key(one)


def test_keys_are_the_same_in_another_process() -> None:
    code = "from tests.lvs.stage import http; from hakeep.lvs.check import key; print(key(http('10.0.0.1', 3)))"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "4711"})
    assert found.stdout.strip() == key(http("10.0.0.1", 3))
    assert 0 <= fraction(found.stdout.strip()) < 1


# ---------------------------------------------------------------------------------------------------------- memory


ANSWERS = st.lists(st.builds(
    Result, ok=st.booleans(), why=st.text(max_size=5), local=st.booleans(),
    weight=st.none() | st.integers(0, 253), drain=st.booleans(),
), max_size=12)


@given(answers=ANSWERS, pages=st.integers(1, 3), alpha=st.booleans())
def test_memory_brings_back_what_was_known(answers: list[Result], pages: int, alpha: bool) -> None:
    check = http("10.0.0.1", pages, alpha=alpha)
    first = Inquiry(key(check), check)
    for n, answer in enumerate(answers):
        first.answered(float(n), answer)
    memory = first.memory()
    assert bool(memory) == first.verdict.proved
    if memory:
        second = Inquiry(key(check), check)
        assert second.restore(memory)
        assert second.verdict == first.verdict
        assert second.failed_page == first.failed_page
        assert second.memory() == memory


@pytest.mark.parametrize("memory", [
    "x", "[]", "{}", "null", '{"why":1,"weight":"x"}', '{"up":true}', '{"why":"x","weight":true}', '"x"',
    '{"why":"x","page":"1"}',
])
def test_nonsense_is_not_remembered(memory: str) -> None:
    inquiry = Inquiry("00000000", tcp("10.0.0.1"))
    before = inquiry.verdict
    assert not inquiry.restore(memory)
    assert inquiry.verdict == before


def test_a_page_that_is_not_there_any_more() -> None:
    inquiry = Inquiry("00000000", http("10.0.0.1", 2))
    assert inquiry.restore(json.dumps({"why": "x", "page": 7}))
    assert inquiry.page == 0 and inquiry.failed_page is None


def test_timing_of_what_comes_back_with_its_address() -> None:
    """Differs on purpose: keepalived lets up to a whole delay_loop pass after the address has come."""
    check = tcp("10.0.0.1", timing=Timing(delay_loop=60.0, warmup=60.0))
    inquiry = Inquiry(key(check), check)
    inquiry.resume(100.0)
    assert 100.0 <= inquiry.due <= 101.0

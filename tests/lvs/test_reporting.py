"""What people are told of virtual and real servers, and when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hakeep.config.settled import Global
from hakeep.lvs import messages as m
from hakeep.notify.mail import body, subject
from hakeep.notify.news import News
from tests.lvs.stage import VIP, Stage, http, real, tcp, three, virtual

ONE, TWO, THREE = "10.0.0.1", "10.0.0.2", "10.0.0.3"
RS, VS = "[10.0.0.{}]:tcp:80", f"[{VIP}]:tcp:80"
TELLS = Global(notify_webhook="http://127.0.0.1/")


def stage(*servers: Any, **more: Any) -> Stage:
    return Stage(*servers, globals=TELLS, **more)


def reports(stage: Stage, since: float = 0.0) -> list[m.Report]:
    return [effect for at, effect in stage.effects if isinstance(effect, m.Report) and at >= since]


def lines(stage: Stage, since: float = 0.0) -> list[str]:
    return [f"{'check ' if r.check else ''}{r.kind} {r.name} {r.state}: {r.says}" for r in reports(stage, since)]


def test_nobody_is_told_where_nobody_wants_to_know() -> None:
    assert reports(Stage(three(), sick=(ONE,)).until(30.0)) == []


def test_the_story_of_a_service() -> None:
    it = stage(virtual(real(ONE), real(TWO), quorum=2, hysteresis=0), sick=(ONE,)).until(5.0)
    it.sick.clear()
    it.until(30.0)
    assert lines(it) == [
        f"VS {VS} UP: Gained quorum 2+0=2 <= 2",
        f"RS {RS.format(1)} DOWN: TCP CHECK failed on service",
        f"VS {VS} DOWN: Lost quorum 2-0=2 > 1",
        f"RS {RS.format(1)} UP: TCP CHECK succeed on service",
        f"VS {VS} UP: Gained quorum 2+0=2 <= 2",
    ]
    server = reports(it)[1]
    assert server.virtual == VS and server.why.startswith("TCP_CHECK: ") and server.mail is True
    assert reports(it)[0].mail is False and reports(it)[0].why == "Gained quorum 2+0=2 <= 2"


def test_a_service_that_begins_down() -> None:
    it = stage(virtual(real(ONE, checks=(tcp(ONE, alpha=True),))))
    assert lines(it) == [f"VS {VS} DOWN: Starting with quorum down 1+0=1 > 0"]


@pytest.mark.parametrize("mail", [True, False])
def test_smtp_alert_goes_with_it(mail: bool) -> None:
    it = stage(virtual(real(ONE, smtp_alert=mail), smtp_alert=not mail), sick=(ONE,)).until(5.0)
    assert {(r.kind, r.mail) for r in reports(it)} == {("RS", mail), ("VS", not mail)}


def test_checks_that_change_nothing_are_told_as_such() -> None:
    both = virtual(real(ONE, checks=(tcp(ONE), http(ONE))))
    it = stage(both, sick=(ONE,)).until(5.0)
    assert lines(it)[1:] == [
        f"RS {RS.format(1)} DOWN: {'TCP CHECK failed on service' if 'TCP' in lines(it)[1] else lines(it)[1][29:]}",
        f"VS {VS} DOWN: Lost quorum 1-0=1 > 0",
        lines(it)[3],
    ]
    assert lines(it)[3].startswith(f"check RS {RS.format(1)} DOWN: ")
    it.sick.clear()
    it.until(30.0)
    assert [line.partition(":")[0] for line in lines(it, 5.0)] == [line.partition(":")[0] for line in (
        f"check RS {RS.format(1)} DOWN", f"RS {RS.format(1)} UP", f"VS {VS} UP")]
    keys = {r.check for r in reports(it) if r.check}
    assert all(RS.format(1) in key for key in keys)


def test_the_first_good_answer_is_no_news() -> None:
    assert lines(stage(three()).until(30.0)) == [f"VS {VS} UP: Gained quorum 1+0=1 <= 3"]


def test_an_order_speaks_for_itself() -> None:
    it = stage(three())
    it.order("down", ONE)
    (report,) = reports(it)[1:]
    assert (report.state, report.says, report.why) == ("DOWN", "taken out by order", "taken out by order")


@pytest.mark.parametrize(("omega", "told"), [
    (False, []),
    (True, [f"RS {RS.format(1)} DOWN: Shutting down", f"RS {RS.format(2)} DOWN: Shutting down",
            f"VS {VS} DOWN: Shutting down"]),
])
def test_the_end(omega: bool, told: list[str]) -> None:
    it = stage(virtual(real(ONE), real(TWO), real(THREE), omega=omega), sick=(THREE,)).until(5.0)
    before = len(reports(it))
    it.step(m.Stopped())
    assert lines(it)[before:] == told


def test_a_worker_that_was_started_anew_repeats_nothing() -> None:
    first = stage(three(), sick=(ONE,)).until(5.0)
    again = stage(three(), sick=(ONE,), memory=first.memory, start=6.0).until(30.0)
    assert lines(again) == []


def test_a_reload_tells_what_is_different() -> None:
    it = stage(three()).until(5.0)
    before = len(reports(it))
    it.reload(replace(three(), quorum=4), globals=TELLS)
    assert lines(it)[before:] == [f"VS {VS} DOWN: Lost quorum 4-0=4 > 3"]


def test_they_are_news() -> None:
    it = stage(three(), sick=(ONE,)).until(5.0)
    for report in reports(it):
        news = News.of_order({"do": "news", **report._asdict()})
        assert subject(news, "first").endswith(report.state) and body(news) == f"=> {report.says} <="

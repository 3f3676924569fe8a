"""News: what is one, how it travels, and that nothing is told twice."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.config.settled import Notify
from hakeep.notify.news import News, Told, of_change
from hakeep.vrrp.messages import NotifyChange


@given(st.builds(News, *[st.text()] * 3, st.integers(0, 255), st.text(), st.booleans(), *[st.text()] * 3))
def test_it_travels_as_json(news: News) -> None:
    assert News.of_order(json.loads(json.dumps(news.as_order()))) == news


@pytest.mark.parametrize("order", [
    {}, {"do": "news"}, {"kind": "VS", "name": "x"}, {"kind": "VS", "name": "x", "state": "UP", "priority": "high"},
])
def test_what_is_no_news(order: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        News.of_order(order)


@pytest.mark.parametrize(("what", "is_news"), [
    ("MASTER", True), ("BACKUP", True), ("FAULT", True), ("STOP", True), ("DELETED", True),
    ("MASTER_RX_LOWER_PRI", False), ("BACKUP_PRIORITY", False), ("INIT", False),
])
def test_states_are_news_and_incidents_are_not(what: str, is_news: bool) -> None:
    found = of_change(NotifyChange("GROUP", "VG", what, 0), Notify(smtp_alert=True), "because")
    assert found == (News("GROUP", "VG", what, 0, "because", mail=True) if is_news else None)


def test_nothing_is_told_twice() -> None:
    told = Told()
    one, other = News("INSTANCE", "a", "MASTER"), News("GROUP", "a", "MASTER")
    assert told.fresh(one) and told.fresh(other)
    assert not told.fresh(one._replace(priority=9, why="another reason"))
    assert told.fresh(one._replace(state="BACKUP")) and told.fresh(one)


def test_checks_are_told_by_themselves() -> None:
    told = Told()
    server = News("RS", "r", "DOWN", virtual="v", says="TCP CHECK failed")
    assert told.fresh(server)
    assert told.fresh(server._replace(check="HTTP_GET", says="CHECK failed"))
    assert not told.fresh(server._replace(check="HTTP_GET", says="CHECK failed"))
    assert told.fresh(server._replace(check="HTTP_GET", says="CHECK succeed"))
    assert not told.fresh(server)


def test_who_was_deleted_and_comes_again_is_new() -> None:
    told = Told()
    backup = News("INSTANCE", "a", "BACKUP")
    assert told.fresh(backup) and told.fresh(backup._replace(state="DELETED")) and told.fresh(backup)

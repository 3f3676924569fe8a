"""The board: what is told when."""

from __future__ import annotations

from typing import Any

from hakeep.track.standing import PACE, WHOLE, Board

FILE, SCRIPT = ("file", "f"), ("script", "s")


def tells(board: Board, now: float) -> list[tuple[str, Any, Any]]:
    return [(each["name"], each["well"], each["value"]) for each in board.take(now) if each["do"] == "tracked"]


def wholes(board: Board, now: float) -> list[dict[str, Any]]:
    return [each for each in board.take(now) if each["do"] == "tracks"]


def test_changes_are_told_at_once_and_once() -> None:
    board = Board()
    board.keep([SCRIPT])
    standing = board.renew(SCRIPT)
    assert tells(board, 0.0) == []
    board.judge(standing, True, 0, "because", 100.0)
    assert board.deadline <= 1.0
    assert tells(board, 1.0) == [("s", True, 0)]
    board.judge(standing, True, 0, "still", 101.0)
    assert tells(board, 2.0) == []
    assert standing.since == 100.0


def test_a_flood_is_told_twenty_times_a_second_and_the_last_of_it_always() -> None:
    board = Board()
    board.keep([FILE])
    standing = board.renew(FILE)
    told = []
    for number in range(1000):
        now = 10.0 + number / 1000
        board.judge(standing, True, number + 1, "", now)
        told += tells(board, now)
    assert len(told) <= 1 / PACE + 1
    end = max(11.0, board.deadline)
    told += tells(board, end + PACE)
    assert told[-1] == ("f", True, 1000)


def test_what_went_back_meanwhile_is_not_told() -> None:
    board = Board()
    board.keep([FILE])
    standing = board.renew(FILE)
    board.judge(standing, True, 1, "", 0.0)
    assert tells(board, 0.0)
    board.judge(standing, True, 2, "", 0.0)
    board.judge(standing, True, 1, "", 0.0)
    assert tells(board, 1.0) == []


def test_a_reload_tells_again_what_is_known_and_forgets_the_rest() -> None:
    board = Board()
    board.keep([FILE, SCRIPT])
    file, script = board.renew(FILE), board.renew(SCRIPT)
    board.judge(file, True, 5, "", 0.0)
    board.judge(script, False, 0, "", 0.0)
    assert len(tells(board, 0.0)) == 2
    board.keep([FILE, ("ping", "new")])
    board.judge(script, True, 0, "", 0.0)  # its room has not heard yet
    assert tells(board, 0.01) == [("f", True, 5)]
    wholes(board, 5.0)
    board.counted()
    (whole,) = wholes(board, 10.0)
    assert [(each["kind"], each["name"]) for each in whole["things"]] == [("file", "f"), ("ping", "new")]


def test_the_whole_is_told_twice_a_second_at_most() -> None:
    board = Board()
    board.keep([FILE])
    standing = board.renew(FILE)
    assert len(wholes(board, 0.0)) == 1
    board.judge(standing, True, 1, "", 0.0)
    assert wholes(board, WHOLE - 0.01) == []
    assert len(wholes(board, WHOLE)) == 1
    assert wholes(board, 10.0) == []
    assert board.deadline == float("inf")

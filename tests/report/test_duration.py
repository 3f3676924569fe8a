from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakeep.report.duration import LONGEST, parse_duration, render_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("0.5", 0.5), ("45s", 45), ("10m", 600), ("2h", 7200), ("1d", 86400), ("1h30m", 5400), ("1.5h", 5400)],
)
def test_what_people_write(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "0", "0s", "-1", "m", "10 m", "10x", "1h x", "h1", "1e3", "inf", "nan", "4000d", "9" * 400, "٣m", "10m\n"],
)
def test_what_is_refused_has_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a length of time|must be more than nothing"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"), (0, "0s"), (0.99, "0s"), (1, "1s"), (59.9, "59s"), (60, "1m"), (61, "1m 1s"), (3600, "1h"),
        (3659, "1h"), (3661, "1h 1m"), (86400 * 2 + 3600 * 5 + 60, "2d 5h"), (86400 * 400, "400d"),
    ],
)  # fmt: skip
def test_what_people_read(seconds: float, text: str) -> None:
    assert render_duration(seconds) == text


@settings(deadline=None)
@given(st.integers(1, int(LONGEST)))
def test_what_is_rendered_can_be_parsed_and_is_never_too_much(seconds: int) -> None:
    parsed = parse_duration(render_duration(seconds).replace(" ", ""))
    assert parsed <= seconds
    assert seconds - parsed < max(60, seconds / 24)

"""Lengths of time as people write and read them: ``90``, ``10m``, ``1h30m``; ``4s``, ``12m 3s``, ``2d 5h``."""

from __future__ import annotations

import re

SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

#: Nobody means more than this; a number that large is a slip of the finger.
LONGEST = 3650 * SECONDS["d"]

_PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])", re.ASCII)
_BARE = re.compile(r"\d+(?:\.\d+)?", re.ASCII)


def parse_duration(text: str) -> float:
    """Seconds in `text`: a number (of seconds), or numbers with units s, m, h, d in a row, such as ``1h30m``.

    Raises ValueError, with a sentence, for anything else, for zero, and for more than ten years.
    """
    if _BARE.fullmatch(text):
        seconds = float(text)
    else:
        seconds = sum(float(number) * SECONDS[unit] for number, unit in _PART.findall(text))
        if _PART.sub("", text) or not text:
            raise ValueError(f"{text!r} is not a length of time; write it like 90s, 10m, 2h or 1h30m")
    if not 0 < seconds <= LONGEST:
        raise ValueError(f"{text!r} must be more than nothing and at most ten years")
    return seconds


def render_duration(seconds: float) -> str:
    """`seconds` with at most two units, cut off and not rounded: what has not been reached is not claimed."""
    if seconds < 1:
        return "0s"
    whole = int(seconds)
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    units = [(days, "d"), (hours, "h"), (minutes, "m"), (left, "s")]
    first = next(index for index, (count, _) in enumerate(units) if count)
    return " ".join(f"{count}{unit}" for count, unit in units[first : first + 2] if count)

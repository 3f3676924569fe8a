"""How many echoes may be lost: the judgement of a track_ping."""

from __future__ import annotations


def judge(sent: int, returned: int, loss: float, reason: str = "") -> tuple[bool, str]:
    """Whether no more than `loss` percent of `sent` echoes were lost, and a sentence. `reason`: why one was lost."""
    lost = sent - returned
    if sent == 1:
        return lost * 100 <= loss, reason or ("an echo came back" if returned else "no echo came back")
    said = f"{lost} of {sent} echoes lost"
    return lost * 100 <= loss * sent, f"{said}: {reason}" if lost and reason else said

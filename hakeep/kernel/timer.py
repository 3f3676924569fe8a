"""A deadline that the kernel watches: one timerfd, set to an absolute time on CLOCK_MONOTONIC.

Waiting in epoll with a time-out is late by up to a millisecond, a timerfd by less than a tenth. Python offers it from
3.13 on only, so it is called through ctypes.
"""

from __future__ import annotations

import ctypes
import math
import os
import time

_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1
_TFD_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


_libc = ctypes.CDLL(None, use_errno=True)


class Timer:
    """One timerfd. It is readable from the deadline until `read`."""

    def __init__(self) -> None:
        self._fd: int = _libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_FLAGS)
        if self._fd < 0:
            raise _error()
        self._spec = _Itimerspec()
        self._pointer = ctypes.byref(self._spec)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._fd

    def close(self) -> None:
        """Give the descriptor back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def set(self, deadline: float) -> None:
        """Fire at `deadline` (monotonic seconds); at once if it has passed, never if it is infinite."""
        value = self._spec.value
        if math.isinf(deadline):
            value.seconds = value.nanoseconds = 0  # disarms
        else:
            nanoseconds = max(1, math.ceil(deadline * 1e9))  # never early: what is due must be due when we look
            value.seconds, value.nanoseconds = divmod(nanoseconds, 1_000_000_000)
        if _libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, self._pointer, None) < 0:
            raise _error()

    def read(self) -> bool:
        """True if the deadline has passed since it was set. Makes the descriptor unreadable."""
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return False
        return True


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))


def suspended() -> float:
    """Seconds this host has been suspended since it was booted: what CLOCK_MONOTONIC does not count.

    Compare two readings: it grew by as much as the host slept in between. Between its two clock readings the process
    may lose the CPU, so the best of three is taken.
    """
    return min(
        time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC) for _ in range(3)
    )

"""The sockets of the worker: an ear for each family and port that a session needs, a mouth for each session."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable

from hakeep.bfd import messages as m
from hakeep.bfd.session import Session
from hakeep.kernel import bfd_socket, mmsg
from hakeep.vrrp.timers import NEVER
from hakeep.worker import ERROR, NOTICE, Log

#: Seconds until an ear that could not be opened is tried again.
REOPEN = 1.0

#: Bursts that are read of an ear before others get their turn: a flood must not stop our own packets.
BURSTS = 16


class Sockets:
    """`watch(fd, reader)` and `unwatch(fd)` belong to the loop, `hear` gets what was received."""

    def __init__(
        self, watch: Callable[[int, Callable[[], None]], None], unwatch: Callable[[int], None],
        hear: Callable[[m.Received], None], log: Log,
    ) -> None:
        self._watch, self._unwatch = watch, unwatch
        self._hear = hear
        self._log = log
        self._ears: dict[tuple[int, int], bfd_socket.Ear] = {}
        self._mouths: dict[int, socket.socket] = {}
        self._missing: dict[tuple[int, int], str] = {}  # ears that cannot be opened, and why
        self.retry_at = NEVER

    # ------------------------------------------------------------------------------------------------- ears

    def listen_for(self, sessions: Iterable[Session]) -> None:
        """Have the ears that these sessions need, and no others. What cannot be opened is tried again."""
        wanted = dict.fromkeys((session.instance.neighbor_ip.version, session.port) for session in sessions)
        for key in [key for key in self._ears if key not in wanted]:
            ear = self._ears.pop(key)
            self._unwatch(ear.fileno())
            ear.close()
        self._missing = {key: why for key, why in self._missing.items() if key in wanted}
        self.retry_at = NEVER
        for key in wanted:
            if key not in self._ears:
                self._open(key)

    def _open(self, key: tuple[int, int]) -> None:
        family, port = key
        what = f"BFD packets over IPv{family} (UDP port {port})"
        try:
            ear = self._ears[key] = bfd_socket.Ear(family, port)
        except OSError as error:
            why = os.strerror(error.errno or 0)
            if self._missing.get(key) != why:
                self._log(ERROR, f"cannot listen for {what}, trying again: {why}")
            self._missing[key] = why
            self.retry_at = time.monotonic() + REOPEN
            return
        self._watch(ear.fileno(), lambda: self._read(ear))
        if self._missing.pop(key, None) is not None:
            self._log(NOTICE, f"listening for {what} now")

    def _read(self, ear: bfd_socket.Ear) -> None:
        for _ in range(BURSTS):
            try:
                packets = ear.read()
            except OSError:
                return
            for packet in packets:
                self._hear(packet)
            if len(packets) < mmsg.BURST:
                return

    def drain(self) -> None:
        """Take in all that was received until now: before anybody is called silent, it must be known what he said."""
        for ear in self._ears.values():
            self._read(ear)

    # ------------------------------------------------------------------------------------------------- mouths

    def open(self, effect: m.Open) -> str:
        """Open a session's socket instead of what it had. Returns why not, "" = it is open."""
        self.close(effect.session)
        try:
            self._mouths[effect.session] = bfd_socket.open_mouth(effect.instance, effect.source_port)
        except OSError as error:
            return os.strerror(error.errno or 0)
        return ""

    def close(self, session: int) -> None:
        """This session sends nothing any more."""
        mouth = self._mouths.pop(session, None)
        if mouth is not None:
            mouth.close()

    def send(self, effect: m.Send) -> str:
        """Send, now. Returns why not, "" = it is sent."""
        mouth = self._mouths.get(effect.session)
        if mouth is None:
            return ""  # that it could not be opened was said
        try:
            bfd_socket.send(mouth, effect.data)
        except OSError as error:
            return os.strerror(error.errno or 0)
        return ""

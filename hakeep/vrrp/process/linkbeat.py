"""linkbeat_interfaces: links whose carrier is asked for once a second, because what the kernel says is not believed.

A link runs if both say so: the kernel's flags and the driver. One that comes back, by its flags, runs once the driver
was asked, which it is at once. Where the driver knows no answer, the flags alone count, and the log says so.

Some drivers take milliseconds to answer: they are asked in a thread, in which nobody waits for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Protocol

import trio

from hakeep.config.settled import LinkBeat
from hakeep.objects.rtnl import Link
from hakeep.vrrp.messages import LinkChanged, Resync
from hakeep.worker import INFO, WARNING, Log

#: Seconds between two rounds.
INTERVAL = 1.0


class Driver(Protocol):
    """See `kernel.linkbeat.Linkbeat`."""

    def carrier(self, interface: str, method: str = "") -> bool | None: ...


class Beats:
    """What the kernel says of links goes through `amend` on its way to the engine; `tell` is called with what the
    drivers say otherwise."""

    def __init__(self, driver: Driver, log: Log, tell: Callable[[LinkChanged], None]) -> None:
        self._driver = driver
        self._log = log
        self._tell = tell
        self._methods: dict[str, str] = {}
        self._links: dict[str, Link] = {}  # as the kernel has them
        self._silent: set[str] = set()  # those that have no carrier, or are to be asked first
        self._mute: set[str] = set()  # those whose drivers know no answer
        self._wake = trio.Event()

    def begin(self, beats: Iterable[LinkBeat], links: Iterable[Link]) -> list[Link]:
        """At the start: ask, and return what counts."""
        self._methods = {beat.interface: beat.method for beat in beats}
        self._links = {link.name: link for link in links}
        answers = self._ask(self._to_ask)
        self._silent = {name for name in self._methods if name not in answers or answers[name] is False}
        return [self._counts(link) for link in self._links.values()]

    def configure(self, beats: Iterable[LinkBeat]) -> None:
        """Go by these from now on."""
        before, self._methods = self._methods, {beat.interface: beat.method for beat in beats}
        self._mute.clear()
        for name in before.keys() - self._methods.keys():
            self._heard(name, True)
        self._wake.set()

    def amend(self, event: LinkChanged) -> LinkChanged:
        """The kernel says this: what counts."""
        name, link = event
        before = self._links.pop(name, None)
        if link is None:
            self._silent.discard(name)
            return event
        self._links[name] = link
        if name in self._methods and (before is None or not link.usable):
            self._silent.add(name)
        if name in self._silent and link.usable:
            self._wake.set()
        return LinkChanged(name, self._counts(link))

    def amend_all(self, event: Resync) -> Resync:
        """The same for all links."""
        self._links = {link.name: link for link in event.links}
        self._wake.set()
        return event._replace(links=tuple(self._counts(link) for link in event.links))

    async def run(self) -> None:
        """Ask again and again. Costs nothing while there is nobody to ask."""
        while True:
            asked = self._to_ask
            if asked:
                self._note(asked, await trio.to_thread.run_sync(self._ask, asked, abandon_on_cancel=True))
            with trio.move_on_after(INTERVAL if self._methods else math.inf):
                await self._wake.wait()
            self._wake = trio.Event()

    @property
    def _to_ask(self) -> dict[str, Link]:
        return {name: link for name in self._methods if (link := self._links.get(name)) is not None and link.usable}

    def _ask(self, asked: Mapping[str, Link]) -> dict[str, bool | None]:
        methods = self._methods
        return {name: self._driver.carrier(name, methods.get(name, "")) for name in asked}

    def _note(self, asked: Mapping[str, Link], answers: Mapping[str, bool | None]) -> None:
        for name, carrier in answers.items():
            if name not in self._methods or self._links.get(name) is not asked[name]:
                continue  # it is of a link that has changed meanwhile
            if carrier is None and name not in self._mute:
                self._mute.add(name)
                how = f" by {self._methods[name]}" if self._methods[name] else ""
                self._log(WARNING, f"{name} cannot be asked for its carrier{how}: what the kernel says counts")
            self._heard(name, carrier is not False)

    def _heard(self, name: str, carrier: bool) -> None:
        """The driver has said it."""
        if carrier is (name not in self._silent):
            return
        if carrier:
            self._silent.discard(name)
        else:
            self._silent.add(name)
        link = self._links.get(name)
        if link is not None and link.usable:
            self._log(INFO, f"{name}: its driver says that it has {'a' if carrier else 'no'} carrier")
            self._tell(LinkChanged(name, self._counts(link)))

    def _counts(self, link: Link) -> Link:
        return replace(link, running=False) if link.running and link.name in self._silent else link

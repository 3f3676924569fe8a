"""The instance being settled, what it inherits, and what is known of it so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hakeep.config.diagnostic import Code, Findings, Verdict
from hakeep.config.host import Host
from hakeep.config.keywords.global_defs import GlobalDefs
from hakeep.config.keywords.static import Config
from hakeep.config.keywords.tracking import VrrpSyncGroup
from hakeep.config.keywords.vrrp import VrrpInstance
from hakeep.config.schema import Section
from hakeep.config.settle.groups import memberships
from hakeep.config.span import Span


@dataclass(frozen=True, slots=True)
class Defaults:
    """What instances start from: global_defs, the host, whether interfaces may come later, and their groups."""

    written: GlobalDefs
    host: Host
    dynamic_interfaces: bool
    groups: Mapping[str, VrrpSyncGroup]

    @classmethod
    def of(cls, config: Config, host: Host) -> Defaults:
        written = config.global_defs or GlobalDefs()
        return cls(written, host, written.dynamic_interfaces is not None, memberships(config))


@dataclass(slots=True)
class Subject:
    """`written` being settled. The fields below it are fixed step by step, in this order."""

    written: VrrpInstance
    defaults: Defaults
    findings: Findings
    family: int = 4
    version: int = 2
    strict: bool = False
    priority: int = 100
    state: str = "BACKUP"
    unicast: bool = False
    advert_int: float = 1.0
    down_timer_adverts: int = 3
    authenticated: int = 0  # bytes that authentication adds to an advert
    fault: str = ""
    runs: bool = True

    @property
    def owner(self) -> bool:
        return self.priority == 255

    @property
    def group(self) -> VrrpSyncGroup | None:
        """The sync group that the instance is in."""
        return self.defaults.groups.get(self.written.name)

    def span(self, keyword: str = "", index: int = -1, word: int | None = None) -> Span | None:
        return self.written.span(keyword, index, word)

    def place(self, keyword: str, index: int, section: Section | None = None) -> Span | None:
        """The narrowest place of a keyword of `section` (else of the instance): its value, of a list the entry, else
        the line; without one the name."""
        section = section or self.written
        entry = index >= 0 and isinstance(getattr(section, keyword, None), tuple)
        return section.span(keyword, index, 0 if entry else 1)

    def error(
        self, code: Code, message: str, keyword: str = "", *, index: int = -1, section: Section | None = None,
        note: str = "", fix: str = "", verdict: Verdict = Verdict.GENERAL, until: str = "",
    ) -> None:
        """A mistake that the instance survives. `until` says what the end of the instance shows of it."""
        end = self.written.closing() if until else None
        self.findings.error(code, f"{self.written.name}: {message}", self.place(keyword, index, section), note=note,
                            fix=fix, verdict=verdict, also=(end, until) if end else None)

    def stop(
        self, code: Code, message: str, keyword: str = "", *, index: int = -1, section: Section | None = None,
        note: str = "", fix: str = "",
    ) -> None:
        """A mistake with which nothing starts."""
        self.findings.error(code, f"{self.written.name}: {message}", self.place(keyword, index, section), note=note,
                            fix=fix, stops=True)

    def cannot_run(self, code: Code, message: str, keyword: str = "", *, note: str = "", fix: str = "") -> None:
        """As `stop`, and the instance is left out even if something starts all the same."""
        self.runs = False
        self.stop(code, message, keyword, note=note, fix=fix)

    def cannot_run_without(self, keyword: str, code: Code, *, note: str = "", fix: str = "") -> None:
        """The keyword is missing and the instance is left out. A bad value was reported where it stands."""
        self.runs = False
        if keyword not in self.written.places:
            self.stop(code, f"{keyword} is missing", note=note, fix=fix)

    def warn(self, code: Code, message: str, keyword: str = "", *, note: str = "", fix: str = "",
             verdict: Verdict = Verdict.OK) -> None:
        """Something that is probably not meant."""
        self.findings.warning(code, f"{self.written.name}: {message}", self.place(keyword, -1), note=note, fix=fix,
                              verdict=verdict)

    def interface_must_exist(self, name: str, keyword: str, *, index: int = -1) -> None:
        """Stop if the host is known to lack the interface, unless interfaces may come later."""
        if not self.defaults.dynamic_interfaces and self.defaults.host.lacks_interface(name):
            self.stop(Code.UNKNOWN_INTERFACE, f"there is no interface {name}", keyword, index=index,
                      note=self.defaults.host.about_interface(name),
                      fix="dynamic_interfaces in global_defs allows for interfaces that come later")


def either(own: bool | None, inherited: bool | None) -> bool:
    """The instance's own word if it has one, else the global one, else no."""
    return bool(inherited) if own is None else own

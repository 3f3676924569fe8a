"""What keepalived said about the real configurations of the corpus, and what of it is a cause, not an echo.

A verdict file has sections: B is a run in which interfaces, users and scripts were there; C and D are the same with
other config-ids and with the files that it includes. The corpus lies outside of the project.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from hakeep.config.diagnostic import Code, Diagnostic

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
CORPUS = SHARED / "corpus"

_SECTION = re.compile(r"^== ([BCD])\. (.*)\n((?:(?!== ).*\n?)*)", re.MULTILINE)
_PLACED = re.compile(r"\((?:([^()]*): )?Line (\d+)\) (.*)")
_UNKNOWN = re.compile(r"Unknown keyword '(.*)'$")


class Message(NamedTuple):
    """One thing that keepalived said. `line` is 0 for what it found after reading."""

    line: int
    text: str

    @property
    def unknown(self) -> str:
        """The word, if it is the message of an unknown keyword."""
        match = _UNKNOWN.match(self.text)
        return match.group(1) if match else ""


@dataclass(frozen=True)
class Case:
    """One run of keepalived -t."""

    file: str
    section: str
    config_id: str
    interfaces: frozenset[str] | None
    include: str
    status: int
    body: str

    def __str__(self) -> str:
        return f"{self.file}{'' if self.section == 'B' else f'-{self.section}-{self.config_id}'}"

    @cached_property
    def path(self) -> Path:
        """The file that was read."""
        return CORPUS / (self.include or self.file)

    @cached_property
    def idle(self) -> frozenset[str]:
        """Track scripts that keepalived could not find."""
        return frozenset(re.findall(r"Disabling track script (\S+) since", self.body))

    @cached_property
    def messages(self) -> list[Message]:
        """All that keepalived said."""
        found = []
        for line in self.body.splitlines():
            match = _PLACED.match(line)
            if match:
                found.append(Message(int(match.group(2)), match.group(3)))
            elif line.strip() and not line.startswith(("exit code", "(no message)", "   created")):
                found.append(Message(0, line))
        return found


def cases() -> list[Case]:
    """All runs of the corpus; none if it is not here."""
    found = []
    for verdict in sorted(CORPUS.glob("*.verdict")):
        text = verdict.read_text(errors="replace")
        interfaces: frozenset[str] | None = None
        for section, head, body in _SECTION.findall(text):
            named = re.search(r"(?:veth|interfaces): ([^;]*)", head)
            if named:
                interfaces = frozenset(re.split(r"[ ,]+", named.group(1).strip())) | {"lo"}
            config_id = re.search(r"-i (\S+?)(?:;|$)", head)
            include = re.search(r"inc/\S+", head)
            status = re.search(r"^exit code: (-?\d+)", body, re.MULTILINE)
            if status:
                found.append(Case(
                    verdict.with_suffix(".conf").name, section, config_id.group(1) if config_id else "none",
                    interfaces, include.group(0) if include else "", int(status.group(1)), body))
    return found


#: What keepalived says and then does not start, in a normal run (grammar 6.2).
_FATAL = re.compile(
    r"\*\*\* Configuration line|Non-existent interface|the virtual router id must be set|Unknown interface!"
    r"|at least one is required|no source address|is already used|both use VRID|same VRID")


def is_fatal(case: Case) -> bool:
    """Whether keepalived would not start with it."""
    return (case.status == 6 and not case.body.count("SECURITY")) or any(_FATAL.search(m.text) for m in case.messages)


# ------------------------------------------------------------------------------------------------ causes and echoes

#: What only sums up, repeats or goes on with another message.
_ECHO = re.compile(
    r"Non-existent interface specified|^ +Please use|Unmatched quote|Unexpected '\{'|Extra '\}'"
    r"|^Disabling track script")
_NO_ADDRESS = re.compile(r"No VIP specified")
_NO_VRID = re.compile(r"\((.*)\) the virtual router id must be set")


def causes(case: Case, text: str, new: frozenset[str]) -> list[Message]:
    """The messages that have a cause of their own. Left out are those that an unknown block brings about (keepalived
    takes its `}` for that of the block around it), braces, and keywords that were `new` after 2.2.7. Also scripts in
    ${_PWD}, which were not there."""
    shape = _Shape(text)
    said = case.messages
    echoing: dict[int, int] = {}  # the end of an outermost block -> from which line on its keywords are echoes
    kept: list[Message] = []
    for number, message in enumerate(said):
        word = message.unknown
        follows = number + 1 < len(said) and "Unexpected '{'" in said[number + 1].text
        end = shape.end(message.line) if message.line else 0
        echo = bool(message.line) and echoing.get(end, message.line) < message.line
        if word in ("{", "}") or (word and follows) or "Unexpected '{'" in message.text:
            echoing.setdefault(end, message.line)
        if _ECHO.search(message.text) or word in ("{", "}") or word in new:
            continue
        if echo and (word or "Missing '{'" in message.text):
            continue
        if "missing '}'" in message.text and shape.balanced:
            continue
        if (instance := _NO_VRID.match(message.text)) and any(
            f"({instance.group(1)}): VRID" in other.text or "Unknown keyword '$'" in other.text for other in said
        ):
            continue
        if _NO_ADDRESS.search(message.text) and echoing and "sensible" in message.text:
            continue  # its addresses stand where keepalived did not look for them
        kept.append(message)
    return list(dict.fromkeys(kept))


class _Shape:
    """Where the outermost blocks of a text end, by its braces alone."""

    def __init__(self, text: str) -> None:
        depth = low = 0
        self._ends: list[int] = []
        open_since: list[int] = []
        for number, raw in enumerate(text.split("\n"), 1):
            line = re.split("[#!]", re.sub(r'"[^"]*"|\\.|\$\{\w+[^{}]*\}', "x", raw))[0]
            depth += line.count("{") - line.count("}")
            low = min(low, depth)
            open_since.append(number)
            self._ends.append(0)
            if depth <= 0 and "}" in line:
                for each in open_since:
                    self._ends[each - 1] = number
                open_since.clear()
                depth = 0
        for each in open_since:
            self._ends[each - 1] = len(self._ends)
        self.balanced = depth == 0 and low == 0

    def end(self, number: int) -> int:
        """The last line of the outermost block that this line is in or comes before."""
        return self._ends[number - 1] if number <= len(self._ends) else 0


# ------------------------------------------------------------------------------------------------------------ kinds

_BRACES = {Code.UNCLOSED_BLOCK, Code.EXTRA_BRACE, Code.MISSING_BRACE, Code.UNEXPECTED_BRACE, Code.MISPLACED_KEYWORD}
_VALUE = {Code.BAD_NUMBER, Code.OUT_OF_RANGE, Code.BAD_WORD, Code.BAD_ADDRESS, Code.BAD_ENTRY, Code.UNKNOWN_OPTION,
          Code.TOO_LONG, Code.BAD_VALUE}
_KINDS: tuple[tuple[str, set[Code]], ...] = (
    (r"Unknown keyword", {Code.UNKNOWN_KEYWORD, Code.MISPLACED_KEYWORD, Code.UNDEFINED, Code.UNCLOSED_BLOCK}),
    (r"missing '\}'|Missing '\{'|extra parameters", _BRACES | {Code.EXTRA_WORDS}),
    (r"Unterminated quote|Unmatched quote", {Code.QUOTE}),
    (r"\*\*\* Configuration line", {Code.MISSING_PARAMETER, Code.QUOTE, Code.UNDEFINED} | _VALUE),
    (r"deprecated|Please replace", {Code.DEPRECATED, Code.UNICAST, Code.IGNORED}),
    (r"Truncating auth_pass", {Code.TOO_LONG}),
    (r"SECURITY", {Code.SCRIPT_SECURITY}),
    (r"Config files missing", {Code.INCLUDE_FAILED}),
    (r"interface .*doesn't exist|Unknown interface|too long", {
        Code.UNKNOWN_INTERFACE, Code.NO_INTERFACE, Code.TOO_LONG, Code.UNKNOWN_OPTION, Code.BAD_ENTRY,
        Code.UNEXPECTED_BRACE, Code.MISSING_BRACE}),
    (r"unknown authentication type|sync group notify_priority_changes", _VALUE),
    (r"virtual router id must be set|: VRID '", {Code.NO_VRID, Code.VRID_CLASH} | _VALUE),
    (r"No VIP", {Code.NO_VIP}),
    (r"advertisement interval", {Code.ADVERT_INT}),
    (r"unicast with use_vmac|VMAC interface name", {Code.VMAC} | _VALUE),
    (r"has no urls|has no path|No script path", {Code.CHECK_INCOMPLETE}),
    (r"since own interface", {Code.OWN_INTERFACE}),
    (r"not found, ignoring|specified in sync group|doesn't exist - ignoring", {Code.UNKNOWN_REFERENCE}),
    (r"[Ss]ync group", {Code.SYNC_GROUP, Code.UNKNOWN_REFERENCE}),
    (r"nopreempt", {Code.PREEMPTION}),
    (r"AH authentication with", {Code.AUTHENTICATION}),
    (r"AH authentication", {Code.STATE}),
    (r"[Aa]uthentication", {Code.AUTHENTICATION}),
    (r"link local", {Code.LINK_LOCAL}),
    (r"unknown state '\$'", {Code.UNDEFINED}),
    (r"native_ipv6", {Code.DEPRECATED}),
    (r"startup script missing", {Code.MISSING_PARAMETER}),
    (r"greater than maximum", {Code.OUT_OF_RANGE}),
    (r"promote_secondaries", {Code.VMAC}),
    (r"MUST be of the same family|address family must match", {Code.FAMILY}),
    (r"unicast", {Code.UNICAST, Code.VMAC} | _VALUE),
    (r"no neighbor|No script set", {Code.INCOMPLETE}),
    (r"garp group|garp_interval|gna_interval", {Code.GARP_GROUP} | _VALUE),
    (r"no entries|has no real servers", {Code.SERVICE_INCOMPLETE}),
    (r"no forwarding method|no scheduler", {Code.SERVICE_INCOMPLETE}),
    (r"quorum .* exceeds", {Code.QUORUM}),
    (r"ports don't match|port specified", {Code.DIRECT_PORT}),
    (r"protocol specified for fwmark", {Code.NO_PROTOCOL, Code.SERVICE_CONFLICT}),
    (r"is duplicated", {Code.SERVER_TWICE}),
    (r"one packet scheduling", {Code.ONE_PACKET}),
    (r"no interface specified", {Code.ROUTE_UNTRACKED}),
    (r"no preference", {Code.RULE_PREFERENCE}),
    (r"due to SYNC group", {Code.GROUP_WEIGHTS}),
    (r"scope|label", {Code.FAMILY} | _VALUE),
    (r"already (been )?(specified|defined)", {Code.REPEATED, Code.DEPRECATED, Code.DUPLICATE, Code.GARP_GROUP}),
    (r"[Ii]nvalid|outside range|must be|unknown|Unknown|not valid|Truncating|malformed|skipping",
     _VALUE | {Code.UNDEFINED}),
)


def kinds(message: Message) -> set[Code] | None:
    """The codes that say the same as the message; None if we do not know it."""
    return next((codes for pattern, codes in _KINDS if re.search(pattern, message.text)), None)


def has_counterpart(message: Message, diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether one of the diagnostics says the same, of the same line (or if the message has none: of the same name)."""
    wanted = kinds(message)
    for diagnostic in diagnostics:
        # what keepalived lacks because of a mistake in the braces is told there
        because = not message.line and diagnostic.stops and message.text.rpartition(") ")[2] in _LACKS
        if wanted is not None and diagnostic.code not in wanted and not because:
            continue
        if message.line:
            spans = [diagnostic.span, diagnostic.also and diagnostic.also[0]]
            if any(span and message.line in (span.line, *(via.line for via in span.via)) for span in spans):
                return True
        else:
            names = set(re.findall(r"[\w.%$<>-]{2,}", message.text)) - _COMMON
            nameless = wanted is not None and not _NAMED.search(message.text)
            if nameless or not names or any(name in f"{diagnostic.message}\n{diagnostic.note}" for name in names):
                return True
    return False


_LACKS = {"the virtual router id must be set", "No VIP specified; at least one is required"}
_COMMON = {"the", "of", "to", "is", "no", "in", "on", "for", "and", "not", "be", "must", "set", "virtual", "router",
           "id", "with", "without", "specified"}
_NAMED = re.compile(r"^\(|\[|group \w+ |^VS |server ")

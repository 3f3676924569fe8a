"""What is wrong with a configuration, in a form that tools can use.

A diagnostic has a code that never changes its meaning, a severity for people, the place, and where there is one a note
and a fix. It also carries what keepalived would make of the same mistake: `verdict`, keepalived's class of the message,
from which `exit_status` computes the status of ``keepalived -t``, and `stops`, true when a daemon must not start on it.
Advice that keepalived does not give has `Verdict.OK` and so never changes an exit status.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from hakeep.config.span import Span


class Severity(StrEnum):
    """How much a diagnostic matters to a person."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Verdict(IntEnum):
    """keepalived's classes of messages. Its test mode keeps the highest and makes the exit status of it."""

    OK = 0
    FILE_NOT_FOUND = 1
    BAD_INTERFACE = 2
    FATAL = 3
    SEVERAL_FILES = 4
    UNKNOWN_KEYWORD = 5
    BRACES = 6
    QUOTE = 7
    MISSING_PARAMETER = 8
    NUMBER = 9
    GENERAL = 10
    WARNING = 11
    DEPRECATED = 12
    SECURITY = 13
    INCLUDE = 14


class Code(StrEnum):
    """Every kind of diagnostic. A number is never given to another kind."""

    # files and reading
    FILE_MISSING = "HK001"
    FILE_UNUSABLE = "HK002"
    INCLUDE_FAILED = "HK003"
    INCLUDE_CYCLE = "HK004"
    LINE_TOO_LONG = "HK005"
    NUL_BYTE = "HK006"
    QUOTE = "HK007"
    YAML = "HK008"
    SHAPE = "HK009"
    SELF_REFERENCE = "HK010"
    UNDEFINED = "HK011"
    DEFINITION = "HK012"
    SEQUENCE = "HK013"
    TOO_MUCH = "HK014"
    # blocks and keywords
    UNKNOWN_KEYWORD = "HK101"
    MISPLACED_KEYWORD = "HK102"
    MISSING_BRACE = "HK103"
    UNEXPECTED_BRACE = "HK104"
    UNCLOSED_BLOCK = "HK105"
    EXTRA_BRACE = "HK106"
    BLOCK_NAME = "HK107"
    EXTRA_WORDS = "HK108"
    DUPLICATE = "HK109"
    REPEATED = "HK110"
    MISSING_PARAMETER = "HK111"
    DEPRECATED = "HK112"
    # values
    BAD_NUMBER = "HK201"
    OUT_OF_RANGE = "HK202"
    BAD_WORD = "HK203"
    BAD_ADDRESS = "HK204"
    BAD_ENTRY = "HK205"
    UNKNOWN_OPTION = "HK206"
    TOO_LONG = "HK207"
    BAD_VALUE = "HK208"
    # vrrp: what an instance needs
    NO_VRID = "HK301"
    NO_INTERFACE = "HK302"
    NO_VIP = "HK303"
    VRID_CLASH = "HK304"
    UNKNOWN_INTERFACE = "HK305"
    FAMILY = "HK306"
    VERSION = "HK307"
    ADVERT_INT = "HK308"
    STATE = "HK309"
    PREEMPTION = "HK310"
    AUTHENTICATION = "HK311"
    AUTH_HMAC = "HK312"
    UNICAST = "HK313"
    VMAC = "HK314"
    STRICT = "HK315"
    VIP_COUNT = "HK316"
    DUPLICATE_VIP = "HK317"
    LINK_LOCAL = "HK318"
    VIP_PLACE = "HK319"
    TIMER = "HK320"
    OWNER = "HK321"
    LEASE = "HK322"
    GARP_GROUP = "HK323"
    # vrrp: priorities and weights
    OWNER_BY_ACCIDENT = "HK325"
    WEIGHT_WITHOUT_EFFECT = "HK326"
    WEIGHT_TOO_SMALL = "HK327"
    WEIGHT_ALWAYS = "HK328"
    PRIORITY_CLAMPED = "HK329"
    WEIGHT_NOPREEMPT = "HK330"
    WEIGHT_ZERO = "HK331"
    STATE_AGAINST_PRIORITY = "HK332"
    OWNER_FAULT = "HK333"
    IDLE_TRACKING = "HK334"
    # vrrp: addresses, peers and interfaces
    SAME_VIP = "HK335"
    VIP_OTHER_LINK = "HK336"
    VIP_NOT_A_HOST = "HK337"
    VIP_PREFIXES = "HK338"
    VIP_OUTSIDE = "HK339"
    VIP_IS_SOURCE = "HK340"
    STATIC_VIP = "HK341"
    LABEL = "HK342"
    PEER_IS_SELF = "HK343"
    PEER_IS_VIP = "HK344"
    UNICAST_SOURCE = "HK345"
    SOURCE_ABSENT = "HK346"
    INTERFACE_ALIAS = "HK347"
    VMAC_NAME = "HK348"
    PRIMARY_UNTRACKED = "HK349"
    # vrrp: time, announcements, behaviour
    FAST_ADVERTS = "HK350"
    SLOW_TAKEOVER = "HK351"
    ONE_ADVERT = "HK352"
    LINK_DELAY = "HK353"
    ANNOUNCED_ONCE = "HK354"
    ANNOUNCED_MUCH = "HK355"
    STRICT_DEAF = "HK356"
    # sync groups
    GROUP_STATES = "HK360"
    GROUP_PRIORITIES = "HK361"
    GROUP_PREEMPTION = "HK362"
    GROUP_INTERVALS = "HK363"
    GROUP_OWNER = "HK364"
    GROUP_WEIGHTS = "HK365"
    # references between blocks, scripts
    UNKNOWN_REFERENCE = "HK401"
    UNUSED = "HK402"
    SYNC_GROUP = "HK403"
    INCOMPLETE = "HK404"
    SCRIPT = "HK405"
    SCRIPT_SECURITY = "HK406"
    UNKNOWN_USER = "HK407"
    TRACKED_TWICE = "HK408"
    OWN_INTERFACE = "HK409"
    BFD_HOPS = "HK410"
    PROCESS_RANGE = "HK411"
    SHELL_SYNTAX = "HK412"
    SCRIPT_ARGUMENT = "HK413"
    SCRIPT_WRITABLE = "HK414"
    SCRIPT_TIMEOUT = "HK415"
    SCRIPT_HASTY = "HK416"
    NO_MAIL = "HK417"
    SAME_SCRIPT = "HK418"
    BFD_NEIGHBOR = "HK419"
    # routes and rules
    ROUTE_UNTRACKED = "HK420"
    ROUTE_TARGET = "HK421"
    RULE_PREFERENCE = "HK422"
    ROUTE_SOURCE = "HK423"
    ROUTE_TABLE = "HK424"
    # mail and webhooks
    SECRET_IN_CLEAR = "HK430"
    # virtual servers
    SERVICE_INCOMPLETE = "HK501"
    SERVICE_CONFLICT = "HK502"
    NO_PROTOCOL = "HK503"
    SERVICE_WITHOUT_VIP = "HK504"
    SAME_SERVICE = "HK505"
    PORT_ZERO = "HK506"
    QUORUM = "HK507"
    ONE_PACKET = "HK508"
    SCHEDULER_FLAG = "HK509"
    HA_SUSPEND = "HK510"
    GROUP_FAMILIES = "HK511"
    PERSISTENCE = "HK512"
    GROUP_SIZE = "HK513"
    BACKEND_LACKS = "HK514"
    BACKEND_MISSING = "HK515"
    # real servers and their checks
    SERVER_TWICE = "HK520"
    DIRECT_PORT = "HK521"
    SERVER_FAMILY = "HK522"
    SERVER_IS_SERVICE = "HK523"
    SORRY_IS_SERVER = "HK524"
    SORRY_NEVER = "HK525"
    NO_WEIGHT = "HK526"
    THRESHOLDS = "HK527"
    SORRY_ORDER = "HK528"
    LOWER_ALONE = "HK529"
    CHECK_INCOMPLETE = "HK530"
    UNCHECKED = "HK531"
    CHECK_TIMEOUT = "HK532"
    CHECK_PORT = "HK533"
    CHECK_WITHOUT_PORT = "HK534"
    CHECK_OURS = "HK535"
    SLOW_START_IDLE = "HK536"
    CHECK_PATTERN = "HK537"
    SESSION_ABSENT = "HK538"
    # between the files of several hosts: rules and their pages are in hakeep.vrrp.pair.rules (owner: the founder)
    PAIR_ALONE = "HK601"
    PAIR_VERSION = "HK602"
    PAIR_INTERVAL = "HK603"
    PAIR_DOWN = "HK604"
    PAIR_AUTH = "HK605"
    PAIR_HMAC = "HK606"
    PAIR_ADDRESSES = "HK607"
    PAIR_VMAC = "HK608"
    PAIR_CHECKSUM = "HK609"
    PAIR_TRANSPORT = "HK610"
    PAIR_PEERS = "HK611"
    PAIR_PRIORITY = "HK612"
    PAIR_OWNERS = "HK613"
    PAIR_STATE = "HK614"
    PAIR_PREEMPTION = "HK615"
    PAIR_WEIGHT = "HK616"
    PAIR_GROUPS = "HK617"
    PAIR_SERVERS = "HK618"
    # what hakeep does not do
    IGNORED = "HK902"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding.

    `also` is a second place with a few words about it ("first defined here"). `note` explains, `fix` says what to
    write. Both may hold several lines.
    """

    code: Code
    severity: Severity
    message: str
    span: Span | None = None
    also: tuple[Span, str] | None = None
    note: str = ""
    fix: str = ""
    verdict: Verdict = Verdict.GENERAL
    stops: bool = False

    def to_plain(self) -> dict[str, object]:
        """The diagnostic as JSON-ready values; absent parts are left out."""
        plain: dict[str, object] = {
            "code": self.code.value, "severity": self.severity.value, "message": self.message,
            "keepalived_class": self.verdict.name.lower(), "stops": self.stops,
        }
        if self.span:
            plain |= {"file": self.span.file, "line": self.span.line, "column": self.span.column,
                      "length": self.span.length}
        if self.also:
            span, label = self.also
            plain["also"] = {"file": span.file, "line": span.line, "column": span.column, "label": label}
        if self.note:
            plain["note"] = self.note
        if self.fix:
            plain["fix"] = self.fix
        return plain


def exit_status(diagnostics: Iterable[Diagnostic]) -> int:
    """The exit status that ``keepalived -t`` has for these: 0, 2, 4, 5 or 6.

    A missing parameter ends keepalived where it stands, so it outweighs all else; otherwise the highest class counts.
    """
    worst = Verdict.OK
    for diagnostic in diagnostics:
        if diagnostic.verdict is Verdict.MISSING_PARAMETER:
            return 2
        worst = max(worst, diagnostic.verdict)
    if worst is Verdict.OK:
        return 0
    if worst <= Verdict.FATAL:
        return 4
    return 6 if worst >= Verdict.SECURITY else 5


class Findings(list[Diagnostic]):
    """Diagnostics being collected, with short ways to add one."""

    def error(
        self, code: Code, message: str, span: Span | None, *, note: str = "", fix: str = "",
        verdict: Verdict = Verdict.GENERAL, stops: bool = False, also: tuple[Span, str] | None = None,
    ) -> None:
        """A mistake. `stops`: a daemon must not start on it."""
        self.append(Diagnostic(code, Severity.ERROR, message, span, also, note, fix, verdict, stops))

    def warning(
        self, code: Code, message: str, span: Span | None, *, note: str = "", fix: str = "",
        verdict: Verdict = Verdict.OK,
    ) -> None:
        """Something that is probably not meant; by default keepalived would say nothing."""
        self.append(Diagnostic(code, Severity.WARNING, message, span, None, note, fix, verdict))

    def advise(self, code: Code, message: str, span: Span | None, *, note: str = "", fix: str = "") -> None:
        """Something good to know."""
        self.append(Diagnostic(code, Severity.NOTE, message, span, None, note, fix, Verdict.OK))

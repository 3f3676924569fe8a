"""What the supervisor knows of a configuration.

A new configuration is read by a child, and the parent never unpickles what a child made of somebody's text. So the
child adds, as JSON, the little that the supervisor itself acts on: the plain values of global_defs, its scripts, and
what the guard watches. The rest goes on to the workers unopened.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from hakeep.config.settled import Global, Script, Settings
from hakeep.guard import Charge, charges, describe
from hakeep.parcel import pack

if TYPE_CHECKING:
    from hakeep.config.settled_lvs import Director


@dataclass(frozen=True, slots=True)
class Facts:
    """`globals` holds what is plain or a script; what only the worker uses (FIFOs, limits, scheduling) is left out.
    `groups` are the sync groups with their members. `tracking` and `bfd` are what these workers get, pickled (empty =
    there is nothing for them): it is only their part, without passwords, and to read all settings the bfd worker would
    miss packets that are due. `virtual_servers` are those that an instance goes by."""

    globals: Global
    charges: tuple[Charge, ...]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tracking: bytes = b""
    bfd: bytes = b""
    virtual_servers: frozenset[str] = frozenset()

    def together(self, names: Iterable[str]) -> list[str]:
        """The instances that an order is for which names these instances or groups: a group stays together."""
        found: dict[str, None] = {}
        for name in names:
            whole = [members for group, members in self.groups.items() if name == group or name in members]
            found |= dict.fromkeys(member for members in whole for member in members) if whole else {name: None}
        return list(found)

    @property
    def names(self) -> list[str]:
        """The instances, in the order of the configuration: their places on the shared page."""
        return [charge.name for charge in self.charges]


def encode(settings: Settings) -> bytes:
    """The facts of a configuration, on one line."""
    plain: dict[str, Any] = {}
    for each in fields(Global):
        value = getattr(settings.globals, each.name)
        if isinstance(value, Script):
            plain[each.name] = {"script": asdict(value)}
        elif value is None or isinstance(value, str | int | float) or _are_words(value):
            plain[each.name] = value
    return json.dumps({
        "globals": plain, "charges": describe(settings),
        "groups": {group.name: group.members for group in settings.groups}, "tracking": _packed(settings.tracking),
        "bfd": _packed(settings.bfd),
        "virtual_servers": sorted({
            track.name for instance in settings.vrrp for track in instance.tracks if track.kind == "virtual_server"}),
    }).encode()


def decode(line: bytes) -> Facts:
    """The inverse of `encode`."""
    document = json.loads(line)
    known = {name: _value(value) for name, value in document["globals"].items()}
    groups = {name: tuple(members) for name, members in document["groups"].items()}
    return Facts(
        Global(**known), charges(document["charges"]), groups, base64.b64decode(document["tracking"]),
        base64.b64decode(document["bfd"]), frozenset(document["virtual_servers"]))


def director(settings: Settings) -> Director | None:
    """What the lvs worker gets. Who tells people of changes is the supervisor: that they are to be told is enough to
    know there, without the relay's password and the webhook's address and key."""
    whole = settings.lvs
    if whole is None:
        return None
    known = whole.globals
    return replace(whole, globals=replace(
        known, smtp_login=(), notify_webhook="withheld" if known.notify_webhook else "", notify_webhook_secret=""))


def _packed(part: object) -> str:
    return base64.b64encode(pack(part)).decode() if part is not None else ""


def _are_words(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(each, str) for each in value)


def _value(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(str, value))
    if not isinstance(value, dict):
        return value
    script = value["script"]
    return Script(tuple(script["argv"]), script["user"], script["group"])

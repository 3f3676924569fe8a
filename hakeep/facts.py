"""What the supervisor knows of a configuration.

A new configuration is read by a child, and the parent never unpickles what a child made of somebody's text. So the
child adds, as JSON, the little that the supervisor itself acts on: the plain values of global_defs, its scripts, and
what the guard watches. The rest goes on to the worker unopened.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from hakeep.config.settled import Global, Script, Settings
from hakeep.guard import Charge, charges, describe


@dataclass(frozen=True, slots=True)
class Facts:
    """`globals` holds what is plain or a script; what only the worker uses (FIFOs, limits, scheduling) is left out."""

    globals: Global
    charges: tuple[Charge, ...]

    @property
    def names(self) -> list[str]:
        """The instances, in the order of the configuration: their places on the shared page."""
        return [charge.name for charge in self.charges]


def encode(settings: Settings) -> bytes:
    """The facts of a configuration, on one line."""
    plain: dict[str, Any] = {}
    for field in fields(Global):
        value = getattr(settings.globals, field.name)
        if isinstance(value, Script):
            plain[field.name] = {"script": asdict(value)}
        elif value is None or isinstance(value, str | int | float):
            plain[field.name] = value
    return json.dumps({"globals": plain, "charges": describe(settings)}).encode()


def decode(line: bytes) -> Facts:
    """The inverse of `encode`."""
    document = json.loads(line)
    known = {name: _value(value) for name, value in document["globals"].items()}
    return Facts(Global(**known), charges(document["charges"]))


def _value(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    script = value["script"]
    return Script(tuple(script["argv"]), script["user"], script["group"])

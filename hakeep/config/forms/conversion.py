"""From one form to the other: the text, and what became of what the other form cannot say.

A conversion is checked by reading its result back: it must bind to the same configuration, or it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hakeep.config.bind import bind
from hakeep.config.forms import conf, is_yaml, yaml
from hakeep.config.forms.nodes import Refused
from hakeep.config.forms.shaping import tree
from hakeep.config.forms.written import Remarks
from hakeep.config.includes import Opened
from hakeep.config.keywords.static import ROOT, Config
from hakeep.config.lexer import BLANKS, without_comment
from hakeep.config.reader import Reader
from hakeep.config.schema import Section
from hakeep.config.tree import build

_PROGRAM = {
    "definitions": re.compile(r"\$\w+="),
    "includes": re.compile(r"include[rmwba]?[ \t]"),
    "conditions": re.compile(r"@"),
    "sequences": re.compile(r"~(?:SEQx?|LST)\("),
}


class Unfaithful(ValueError):
    """The other form cannot say what this configuration says."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """The text in the new form, and sentences about what did not come along."""

    text: str
    notes: tuple[str, ...] = ()


def convert(config: Config, sources: Mapping[str, str], to: str, *, wrong: bool = False) -> Conversion:
    """`config` in the form `to` ("yaml" or "conf"), with the comments of `sources`, the texts it was read from.

    With `wrong` they have errors, of which something may be left in `config` that no form can say; the result must then
    be the same when it is converted again. Raises `Unfaithful`.
    """
    form, read_back = (yaml, yaml_config) if to == "yaml" else (conf, conf_config)
    remarks = Remarks()
    for name, source in sources.items():
        remarks.collect(name, (yaml if is_yaml(name, source) else conf).comments(source))
    try:
        text = form.render(config, remarks)
        again = read_back(text)
        same = again == config or (wrong and form.render(again) == form.render(config))
    except (ValueError, Refused) as error:
        raise Unfaithful(str(error)) from None
    if not same:
        raise Unfaithful("reading it back would give another configuration")
    return Conversion(text, (*_resolved(sources), *_lost(remarks.left)))


def conf_config(text: str) -> Section:
    """What a text of the classic form binds to. It may include nothing."""
    reader = Reader(lambda pattern, folder: Opened())
    return bind(build(reader.read("", "", text), lambda words: False), ROOT).root


def yaml_config(text: str) -> Section:
    """What a YAML text binds to. Raises `Refused`."""
    return bind(tree("", text, ROOT), ROOT).root


def _resolved(sources: Mapping[str, str]) -> list[str]:
    """What reading has resolved, so that only its result is there."""
    lines = [without_comment(line.strip(BLANKS)) for name, text in sources.items() if not is_yaml(name, text)
             for line in text.split("\n")]
    counts = {kind: sum(bool(sign.match(line)) for line in lines) for kind, sign in _PROGRAM.items()}
    parts = [f"{count} {kind if count > 1 else kind[:-1]}" for kind, count in counts.items() if count]
    return [f"resolved, and not in the result as such: {', '.join(parts)}"] if parts else []


def _lost(count: int) -> list[str]:
    return [f"{count} comment{'s' if count > 1 else ''} found no place"] if count else []

"""What can be asked about a document of either form: the one with braces, and YAML."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from hakeep.config.forms import complete, is_yaml, outline, yaml_complete, yaml_outline
from hakeep.config.forms.complete import Completion, Description
from hakeep.config.forms.outline import Item, Place, Reference


class Form(NamedTuple):
    """Questions about a text, most of them at a line and column. `typed` finds what has been typed up to the cursor."""

    typed: re.Pattern[str]
    complete: Callable[[str, int, int], list[Completion]]
    describe: Callable[[str, int, int], Description | None]
    reference: Callable[[str, int, int], Reference | None]
    targets: Callable[[str, Reference], list[Place]]
    outline: Callable[[str], list[Item]]


#: What is being typed goes from the last blank or brace on, or is the use of a definition.
BRACES = Form(re.compile(r"[^ \t{}]*(?:\$\{\w*)?\Z"), complete.complete, complete.describe, outline.reference,
              outline.targets, outline.outline)
YAML = Form(re.compile(r"[^ \t{}\[\],]*\Z"), yaml_complete.complete, yaml_outline.describe, yaml_outline.reference,
            yaml_outline.targets, yaml_outline.outline)


def form_of(path: str, text: str) -> Form:
    """The form that a document is written in."""
    return YAML if is_yaml(path, text) else BRACES

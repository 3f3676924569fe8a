"""Finding what is wrong with documents, as `hakeep check` does, with what is in the editor in place of the files.

A file that another includes means nothing by itself, so it is checked as part of that: of an open document, or of a
main configuration in its directory or one above.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hakeep.config.diagnostic import Diagnostic
from hakeep.config.files import load
from hakeep.config.host import Host

#: What main configurations are called, and how many directories above a file they are looked for.
MAIN_NAMES = ("hakeep.conf", "keepalived.conf", "hakeep.yaml")
ABOVE = 3


@dataclass(frozen=True)
class Checked:
    """What was found in the configuration `main`. `sources` are the texts of all its files, by their real paths."""

    main: str
    diagnostics: tuple[Diagnostic, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)


class Checking:
    """Checks documents. `host` tells the facts of the machine to judge by, None: the text alone is judged."""

    def __init__(self, config_id: str | None = None, host: Callable[[], Host] | None = None) -> None:
        self._config_id = config_id
        self._host = host
        self._mains: dict[str, str] = {}

    def check(self, path: str, texts: Mapping[str, str]) -> Checked:
        """What is wrong with the configuration that the file of that real path belongs to."""
        known = self._mains.get(path)
        for main in [known] if known else self._candidates(path, texts):
            checked = self._load(main, texts)
            if path in checked.sources:
                self._mains[path] = main
                return checked
        self._mains[path] = path
        return self._load(path, texts)

    def forget(self, path: str) -> None:
        """Look anew for what the file belongs to."""
        self._mains.pop(path, None)

    @staticmethod
    def _candidates(path: str, texts: Mapping[str, str]) -> list[str]:
        folders = Path(path).parents[: ABOVE + 1]
        mains = [folder / name for folder in folders for name in MAIN_NAMES]
        found = [*(os.path.realpath(main) for main in mains if main.is_file()),
                 *(name for name, text in texts.items() if "include" in text and Path(name).parent in folders)]
        return [main for main in dict.fromkeys(found) if main != path]

    def _load(self, main: str, texts: Mapping[str, str]) -> Checked:
        loaded = load(glob.escape(main), config_id=self._config_id, host=self._host() if self._host else None,
                      unsaved=texts)
        sources = {os.path.realpath(name): text for name, text in loaded.sources.items()}
        return Checked(main, (*loaded.diagnostics, *loaded.unsupported()), sources)

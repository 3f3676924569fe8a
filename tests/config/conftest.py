"""Reading configuration from strings: files are a dictionary, nothing is asked of the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch

import pytest

from hakeep.config.definitions import Surroundings
from hakeep.config.host import Host
from hakeep.config.includes import Failure, Opened
from hakeep.config.line import Line
from hakeep.config.loaded import Loaded, assemble
from hakeep.config.reader import Reader


@dataclass
class Desk:
    """Reads texts. `files` are what includes can find, by name."""

    files: dict[str, str] = field(default_factory=dict)
    config_id: str = "here"
    environment: Mapping[str, str] = field(default_factory=dict)
    checks: frozenset[str] = frozenset()
    reader: Reader = None  # type: ignore[assignment]

    def open_file(self, pattern: str, folder: str) -> Opened:
        found = tuple((name, folder, text) for name, text in self.files.items() if fnmatch(name, pattern))
        return Opened(found, () if found else (Failure("match", f"{pattern} does not exist"),))

    def lines(self, text: str) -> list[Line]:
        self.reader = Reader(
            self.open_file, Surroundings(self.config_id, self.environment, seed=1), checks=self.checks)
        return list(self.reader.read("main.conf", "/etc/hakeep", text))

    def words(self, text: str) -> list[list[str]]:
        return [line.words for line in self.lines(text)]

    def load(self, text: str, host: Host | None = None) -> Loaded:
        return assemble(self.lines(text), self.reader, host or Host())


@pytest.fixture
def desk() -> Desk:
    return Desk()


Load = Callable[..., Loaded]


@pytest.fixture
def load(desk: Desk) -> Load:
    return desk.load

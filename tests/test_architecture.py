"""Imports only point down, pure floors stay pure, and no package imports itself in a circle.

The floors are those of the design: a module may import its own floor and those below.
"""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "hakeep"

#: Lower number = lower floor. The longest matching prefix counts.
FLOORS: dict[str, int] = {
    "hakeep": 0,
    "hakeep.wire": 1,
    "hakeep.objects": 1,
    "hakeep.config": 2,
    "hakeep.vrrp": 3,
    "hakeep.lvs": 3,
    "hakeep.bfd": 3,
    "hakeep.report": 4,
    "hakeep.kernel": 5,
    "hakeep.notify": 5,
    "hakeep.config.files": 5,
    "hakeep.worker": 6,
    "hakeep.pidfile": 6,
    "hakeep.control": 6,
    "hakeep.errands": 6,
    "hakeep.hooks": 6,
    "hakeep.sdnotify": 6,
    "hakeep.whole_file": 6,
    "hakeep.standby": 6,
    "hakeep.overrides": 6,
    "hakeep.options": 6,
    "hakeep.appointment": 6,
    "hakeep.parcel": 6,
    "hakeep.offspring": 7,
    "hakeep.guard": 7,
    "hakeep.facts": 7,
    "hakeep.in_force": 7,
    "hakeep.vrrp.process": 7,
    "hakeep.lvs.checkers": 6,
    "hakeep.lvs.backends": 6,
    "hakeep.lvs.process": 7,
    "hakeep.track": 7,
    "hakeep.bfd.process": 7,
    "hakeep.seat": 8,
    "hakeep.lookout": 8,
    "hakeep.succession": 8,
    "hakeep.attendance": 8,
    "hakeep.requests": 8,
    "hakeep.post": 8,
    "hakeep.supervisor": 8,
    "hakeep.cli": 9,
}

PURE = ("hakeep.wire", "hakeep.objects", "hakeep.config", "hakeep.vrrp", "hakeep.lvs", "hakeep.bfd", "hakeep.report",
        "hakeep.track.census", "hakeep.track.echoes", "hakeep.track.number", "hakeep.track.rota",
        "hakeep.track.standing",
        "hakeep.track.streak")
NOT_PURE = (
    "hakeep.config.files", "hakeep.vrrp.process", "hakeep.lvs.checkers", "hakeep.lvs.backends", "hakeep.lvs.process",
    "hakeep.bfd.process")
WORLD = {"trio", "socket", "os", "time", "random", "subprocess", "pyroute2", "select", "signal", "ctypes", "threading"}


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        found[".".join(parts)] = path
    return found


MODULES = modules()


@functools.cache
def imports(name: str) -> list[str]:
    path = MODULES[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                parts = parts[: len(parts) - node.level + 1]
                base = ".".join([*parts, base] if base else parts)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                found.append(full if full in MODULES else base)
    return found


def longest(name: str, table: dict[str, int]) -> int:
    while name:
        if name in table:
            return table[name]
        name = name.rpartition(".")[0]
    raise AssertionError("unreachable: hakeep itself has a floor")


def is_pure(name: str) -> bool:
    def within(prefixes: tuple[str, ...]) -> bool:
        return any(name == p or name.startswith(p + ".") for p in prefixes)

    return within(PURE) and not within(NOT_PURE)


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_down(name: str) -> None:
    for target in imports(name):
        if target.split(".")[0] == "hakeep":
            assert longest(target, FLOORS) <= longest(name, FLOORS), f"{name} imports upwards: {target}"


@pytest.mark.parametrize("name", [n for n in MODULES if is_pure(n)])
def test_pure_floors_do_not_touch_the_world(name: str) -> None:
    touched = {target.split(".")[0] for target in imports(name)} & WORLD
    assert not touched, f"{name} is on a pure floor and imports {touched}"


def test_no_cycles() -> None:
    graph = {n: {t for t in imports(n) if t in MODULES and t != n} for n in MODULES}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, "import cycle: " + " -> ".join((*path[path.index(name):], name))
        if name in done:
            return
        for target in graph[name]:
            visit(target, (*path, name))
        done.add(name)

    for name in graph:
        visit(name, ())


def test_the_daemon_never_imports_scapy() -> None:
    offenders = [n for n in MODULES if any(t.split(".")[0] == "scapy" for t in imports(n))]
    assert offenders == []

"""Whether reading again would come to the same: all that reading asks of the world is asked again."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest

from hakeep.config.files import load, open_files, this_host
from hakeep.config.host import Host
from hakeep.config.witness import Witness, holds

MAIN = """\
include parts/*.conf
vrrp_script check {
    script "%s/check"
}
vrrp_instance VI_1 {
    interface lo
    virtual_router_id 51
    virtual_ipaddress {
        10.0.0.1
    }
    track_script {
        check
    }
}
"""


@pytest.fixture
def main(tmp_path: Path) -> Path:
    """A configuration that includes another one and names a script."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "one.conf").write_text("global_defs {\n    router_id one\n}\n")
    script = tmp_path / "check"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    path = tmp_path / "main.conf"
    path.write_text(MAIN % tmp_path)
    return path


def read(main: Path, host: Host | None = None) -> bytes:
    witness = Witness()
    assert load(str(main), host=host or this_host(), witness=witness).settings is not None
    return witness.evidence()


def test_what_is_as_it_was_holds(main: Path) -> None:
    evidence = read(main)
    assert holds(evidence, open_files, this_host())
    os.utime(main)
    assert holds(evidence, open_files, this_host())


def _more(main: Path) -> None:
    main.write_text(main.read_text() + "# a comment\n")


def _other_part(main: Path) -> None:
    (main.parent / "parts" / "one.conf").write_text("global_defs {\n    router_id two\n}\n")


def _new_part(main: Path) -> None:
    (main.parent / "parts" / "two.conf").write_text("")


def _no_part(main: Path) -> None:
    (main.parent / "parts" / "one.conf").unlink()


def _script_cannot_run(main: Path) -> None:
    (main.parent / "check").chmod(0o644)


def _script_is_anybody_s(main: Path) -> None:
    (main.parent / "check").chmod(0o777)


@pytest.mark.parametrize("change", [
    _more, _other_part, _new_part, _no_part, _script_cannot_run, _script_is_anybody_s, Path.unlink])
def test_what_has_changed_does_not_hold(main: Path, change: Callable[[Path], None]) -> None:
    host = replace(this_host(), script_weakness=lambda script: oct(Path(script.argv[0]).stat().st_mode))
    evidence = read(main, host)
    assert holds(evidence, open_files, host)
    change(main)
    assert not holds(evidence, open_files, host)


@pytest.mark.parametrize("other", [
    {"known_interfaces": frozenset({"lo", "eth77"})}, {"users": frozenset({"root"})}, {"cpus": 77},
    {"lvs_backend": "nftables"}])
def test_another_host_does_not_hold(main: Path, other: dict[str, object]) -> None:
    host = replace(this_host(), known_interfaces=frozenset({"lo"}), cpus=1)
    evidence = read(main, host)
    assert holds(evidence, open_files, host)
    assert not holds(evidence, open_files, replace(host, **other))  # type: ignore[arg-type]


def test_every_function_of_a_host_is_attended(main: Path) -> None:
    """Else a fact would be asked for that nobody notes."""
    asked: list[str] = []

    def answer(name: str) -> Callable[[object], object]:
        return lambda about: asked.append(name) or ()  # type: ignore[func-returns-value]

    functions = [each.name for each in fields(Host) if "Callable" in str(each.type)]
    host = Witness().host(replace(Host(), **{name: answer(name) for name in functions}))
    for name in functions:
        assert getattr(host, name)("something") == ()
    assert functions and asked == functions


def test_random_numbers_are_never_the_same(main: Path) -> None:
    main.write_text(main.read_text().replace("virtual_router_id 51", "virtual_router_id ${_RANDOM 1-2}"))
    assert read(main) == b""


def test_without_evidence_nothing_holds() -> None:
    assert not holds(b"", open_files, this_host())
    assert not holds(Witness().evidence(), open_files, this_host())

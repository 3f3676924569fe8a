"""Real configurations with keepalived's verdict on each: our exit status must be the same, but for its defects.

The files lie outside of the project; without them the test is skipped. `DIFFERENT` is all that may differ, with the
reason, and what is listed there must differ.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from hakeep.config.files import load
from hakeep.config.host import Host
from hakeep.config.loaded import Loaded
from hakeep.config.settled import Script

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "corpus"

_CLOSED = "an unknown block ends the enclosing one in keepalived, so it does not see the script that makes it 6"
_ABSOLUTE = "it includes /etc/keepalived/conf.d, which is not ours to fill"
_NAMESPACE = "keepalived could not enter the network namespace, and then says 0 without reading the rest"

#: file or case -> why keepalived's status is not ours
DIFFERENT = {
    "123.conf-D-none": _ABSOLUTE,
    "164.conf": _CLOSED,
    "165.conf": _CLOSED,
    "212.conf": _CLOSED,
    "252.conf": _NAMESPACE,
    "258.conf": _NAMESPACE,
    "278.conf": _NAMESPACE,
    "331.conf": _NAMESPACE,
    "333.conf": _NAMESPACE,
}


class Case(NamedTuple):
    """One run of keepalived -t."""

    file: str
    section: str
    config_id: str
    interfaces: frozenset[str] | None
    include: str
    status: int
    idle: frozenset[str]  # track scripts that keepalived could not find

    def __str__(self) -> str:
        return f"{self.file}{'' if self.section == 'B' else f'-{self.section}-{self.config_id}'}"


def cases() -> list[Case]:
    found = []
    for verdict in sorted(CORPUS.glob("*.verdict")):
        text = verdict.read_text(errors="replace")
        interfaces: frozenset[str] | None = None
        for section, head, body in re.findall(r"^== ([BCD])\. (.*)\n((?:(?!== ).*\n?)*)", text, re.MULTILINE):
            named = re.search(r"(?:veth|interfaces): ([^;]*)", head)
            if named:
                interfaces = frozenset(re.split(r"[ ,]+", named.group(1).strip())) | {"lo"}
            config_id = re.search(r"-i (\S+?)(?:;|$)", head)
            include = re.search(r"inc/\S+", head)
            status = re.search(r"^exit code: (-?\d+)", body, re.MULTILINE)
            if status:
                found.append(Case(
                    verdict.with_suffix(".conf").name, section, config_id.group(1) if config_id else "none",
                    interfaces, include.group(0) if include else "", int(status.group(1)),
                    frozenset(re.findall(r"Disabling track script (\S+) since", body))))
    return found


CASES = cases()


def read(case: Case, folder: Path) -> Loaded:
    path = CORPUS / (case.include or case.file)
    if case.include:  # files of the corpus may have lost or won execute permission on their way
        copy = folder / "copy"
        shutil.copytree(CORPUS / Path(case.include).parts[0] / Path(case.include).parts[1], copy)
        for each in copy.rglob("*"):
            each.chmod(0o755 if each.is_dir() else 0o644)
        path = copy.joinpath(*Path(case.include).parts[2:])
    commands = set()
    if case.idle:
        first = load(str(path), config_id=case.config_id, environment={})
        commands = {s.script.argv for s in first.config.vrrp_script if s.name in case.idle and s.script}
    folder_of_scripts = f"{path.parent}/" if case.idle else "\0"  # where one is not found, its neighbours are not

    def problem(script: Script) -> str:
        missing = script.argv in commands or script.argv[0].startswith(folder_of_scripts)
        return "not found" if missing else ""

    host = Host(known_interfaces=case.interfaces, script_problem=problem)
    return load(str(path), config_id=case.config_id, environment={}, host=host)


@pytest.mark.skipif(not CASES, reason="the corpus of real configurations is not here")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_exit_status_is_keepalived_s(case: Case, tmp_path: Path) -> None:
    loaded = read(case, tmp_path)
    assert loaded.settings is not None
    loaded.unsupported()
    reason = DIFFERENT.get(str(case)) or DIFFERENT.get(case.file)
    if reason:
        assert case.section != "B" or loaded.exit_status() != case.status, f"no longer different: {reason}"
    else:
        assert loaded.exit_status() == case.status, [(d.verdict.name, d.message) for d in loaded.diagnostics]


@pytest.mark.skipif(not CASES, reason="the corpus of real configurations is not here")
def test_few_are_different() -> None:
    files = {case.file for case in CASES}
    assert len(files & set(DIFFERENT)) / len(files) < 0.05

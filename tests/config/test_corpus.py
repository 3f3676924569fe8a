"""Real configurations with keepalived's verdict on each: we say what it says, but for its defects.

The files lie outside of the project; without them the tests are skipped. `differences.toml` is all that may differ,
with the reason, and what is listed there must differ.
"""

from __future__ import annotations

import functools
import shutil
import tomllib
from pathlib import Path
from statistics import mean

import pytest

from hakeep.config.diagnostic import Severity
from hakeep.config.files import load
from hakeep.config.host import Host
from hakeep.config.loaded import Loaded
from hakeep.config.settled import Script
from tests.config.verdicts import CORPUS, SHARED, Case, cases, causes, has_counterpart, is_fatal

CASES = cases()
ALONE = [case for case in CASES if case.section == "B"]
DIFFERENCES = tomllib.loads((Path(__file__).parent / "differences.toml").read_text())

pytestmark = pytest.mark.skipif(not CASES, reason="the corpus of real configurations is not here")


def read(case: Case, folder: Path) -> Loaded:
    path = case.path
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


@functools.cache
def alone(case: Case) -> Loaded:
    """The text judged by itself, as `hakeep check` does."""
    return load(str(case.path), config_id=case.config_id, environment={})


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_exit_status_is_keepalived_s(case: Case, tmp_path: Path) -> None:
    loaded = read(case, tmp_path)
    assert loaded.settings is not None
    loaded.unsupported()
    different = DIFFERENCES["status"]
    reason = different.get(str(case)) or different.get(case.file)
    if reason:
        assert case.section != "B" or loaded.exit_status() != case.status, f"no longer different: {reason}"
    else:
        assert loaded.exit_status() == case.status, [(d.verdict.name, d.message) for d in loaded.diagnostics]


def test_few_are_different() -> None:
    files = {case.file for case in CASES}
    assert len(files & set(DIFFERENCES["status"])) / len(files) < 0.05


def test_what_stops_keepalived_stops_us() -> None:
    different = {case.file for case in ALONE if is_fatal(case) != alone(case).fatal}
    assert different == set(DIFFERENCES["fatal"])
    files = {case.file for case in ALONE} - set(DIFFERENCES["unread"])
    same = 1 - len(different & files) / len(files)
    print(f"\nsame fatal or not as keepalived: {same:.2%} of the {len(files)} files that it read whole")
    assert same >= 0.99


def test_causes_have_counterparts_at_their_line() -> None:
    new = new_words()
    shares, unmet = [], {}
    for case in ALONE:
        wanted = causes(case, case.path.read_text(errors="replace"), new)
        if not wanted or case.file in DIFFERENCES["unread"]:
            continue
        diagnostics = alone(case).diagnostics
        missing = [message for message in wanted if not has_counterpart(message, diagnostics)]
        shares.append(1 - len(missing) / len(wanted))
        if missing:
            unmet[case.file] = missing
    print(f"\ncauses with a counterpart: {mean(shares):.2%} averaged over {len(shares)} files")
    assert set(unmet) == set(DIFFERENCES["messages"]), {
        file: unmet.get(file) for file in set(unmet) ^ set(DIFFERENCES["messages"])}
    assert mean(shares) >= 0.97


@pytest.mark.parametrize("case", ALONE, ids=str)
def test_no_error_where_keepalived_finds_none(case: Case) -> None:
    if case.status == 0 and not case.messages and case.file not in DIFFERENCES["unread"]:
        errors = [d for d in alone(case).diagnostics if d.severity is Severity.ERROR]
        assert not errors


@pytest.mark.parametrize("case", ALONE, ids=str)
def test_nothing_cascades(case: Case) -> None:
    """We never report more errors of structure than keepalived does, and no two at one place."""
    errors = [d for d in alone(case).diagnostics if d.severity is Severity.ERROR and d.code < "HK2" and not d.stops]
    places = [(d.code, d.span, d.message) for d in errors]
    assert len(places) == len(set(places))
    if case.file not in DIFFERENCES["unread"]:
        assert len(errors) <= len(case.messages)


def new_words() -> frozenset[str]:
    """Keywords that keepalived 2.2.7, which gave the verdicts, does not know."""
    import yaml

    keywords = yaml.safe_load((SHARED / "keepalived" / "keywords.yaml").read_text())["keywords"]
    return frozenset(keyword["name"] for keyword in keywords if keyword.get("new"))

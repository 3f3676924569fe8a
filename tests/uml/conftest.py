"""The fixtures of the tests on the other kernel: one boot for all of them, and the story of what failed."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import boot
from scenes import SCENES


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "uml: boots User Mode Linux, a kernel of another version")


@pytest.fixture(scope="session")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What was recorded of each scene. Without UML the tests are skipped; with CI=true that is a failure."""
    try:
        return boot.play(tmp_path_factory.mktemp("uml"), list(SCENES))
    except boot.CannotBoot as reason:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"no User Mode Linux: {reason}")


@pytest.fixture
def record(records: dict[str, dict[str, Any]], scene: str) -> dict[str, Any]:
    """What was recorded of one scene, which must have come to its end."""
    found = records[scene]
    assert "error" not in found, found["error"]
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and (of := getattr(item, "callspec", None)):
        found = getattr(item, "funcargs", {}).get("records", {}).get(of.params.get("scene"), {})
        report.sections.append(("what was seen", story(found)))
    return report


def story(record: dict[str, Any]) -> str:
    """What happened, in order, and what the daemons said."""
    moments, held = [], {}
    for event in record.get("events", ()):
        who = event["host"], event["address"]
        if held.get(who) != event["held"]:  # a renewed lease is no news
            moments.append((event["at"], f"{who[0]} {'has' if event['held'] else 'has not'} {who[1]}"))
        held[who] = event["held"]
    for name, row in record.get("rows", {}).items():
        moments += [(row["since"], f"--- {name}"), (row["back"], f"--- {name}: the way back")]
    lines = [f"{at:9.3f} {text}" for at, text in sorted(moments)]
    for host, log in record.get("logs", {}).items():
        lines += [f"--- log on {host}", *log.splitlines()[-80:]]
    return "\n".join(lines)

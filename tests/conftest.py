"""What all tests share: the lab is importable, and what cannot run here is skipped with its reason."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "netns-lab"))

import groundwork
import hosts
import world

from tests.effort import EFFORT, tries

#: No example has a deadline: others work on this machine too.
hypothesis.settings.register_profile(
    "ours", max_examples=tries(100), deadline=None, derandomize=EFFORT <= 1, print_blob=True)
hypothesis.settings.load_profile("ours")


def pytest_configure() -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so a shell without job control starts what is to run in the
        signal.signal(signal.SIGINT, signal.default_int_handler)  # background; but tests want processes that take it


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--daemon", default=shlex.join(hosts.HAKEEPD), metavar="COMMAND",
                     help="the daemon under test, with keepalived's command line")


def needs_namespaces(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in ("netns", "interop"))


def why_not(item: pytest.Item) -> str | None:
    """The reason why a test that needs namespaces cannot run here."""
    if os.geteuid() != 0:
        return "needs root, or a user namespace: start it by ./tests/run"
    lacking = groundwork.missing_packages(groundwork.LAB_TOOLS)
    if lacking:
        return f"not installed: {', '.join(lacking)}"
    return world.refusal()


#: Where this is set, the suites that need namespaces must run: what keeps a whole suite from running is a failure.
CI = os.environ.get("CI") == "true"


def pytest_runtest_setup(item: pytest.Item) -> None:
    if needs_namespaces(item) and (reason := why_not(item)):
        (pytest.fail if CI else pytest.skip)(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    of_the_suites = bool(item.get_closest_marker("interop")) or item.path.parent.name == "netns"
    if CI and report.skipped and of_the_suites and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which CI=true forbids: {report.longrepr[2]}"
    return report

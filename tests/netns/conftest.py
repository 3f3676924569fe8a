"""Fixtures of the namespace tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import groundwork
from scene import VIP, Scene

SCENES = pytest.StashKey[list[Scene]]()


@pytest.fixture
def make_scene(request: pytest.FixtureRequest) -> Iterator[Callable[..., Scene]]:
    """Builds a scene for the daemon under test."""
    scenes = request.node.stash.setdefault(SCENES, [])

    def make(vip: str = VIP) -> Scene:
        scenes.append(stack.enter_context(Scene(request.config.getoption("--daemon"), vip)))
        return scenes[-1]

    with ExitStack() as stack:
        yield make


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport,
                                                                                           pytest.TestReport]:
    """A failure shows what was on the wire and in the logs."""
    report = yield
    if report.failed and call.when in ("setup", "call"):
        report.sections += [("what was seen", scene.story()) for scene in item.stash.get(SCENES, [])]
    return report


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    """A scene for IPv4."""
    return make_scene()


@pytest.fixture
def keepalived() -> None:
    """The test needs keepalived."""
    if not groundwork.find_program("keepalived"):
        pytest.skip("keepalived is not installed")


@pytest.fixture
def frr() -> None:
    """The test needs FRR's vrrpd."""
    if not groundwork.find_program("/usr/lib/frr/vrrpd"):
        pytest.skip("frr is not installed")
    if Path("/proc/self/uid_map").read_text().split()[2] == "1":
        pytest.skip("FRR becomes a user of its own, and this user namespace has none")

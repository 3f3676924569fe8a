"""Fixtures of the namespace tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import groundwork
from scene import VIP, Scene


@pytest.fixture
def make_scene(request: pytest.FixtureRequest) -> Iterator[Callable[..., Scene]]:
    """Builds a scene for the daemon under test."""
    with ExitStack() as stack:
        yield lambda vip=VIP: stack.enter_context(Scene(request.config.getoption("--daemon"), vip))


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

"""Fixtures of the backends' tests."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))  # the contract

from plant import inside

_COUNT = itertools.count()


@pytest.fixture
def namespace() -> Iterator[str]:
    """A network namespace of its own, which the test runs in."""
    name = f"hkb{os.getpid()}-{next(_COUNT)}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        with inside(name):
            yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)

"""Certificates for servers that speak TLS."""

from __future__ import annotations

import shutil

import pytest

from tests.notify.relay import Certificate, issue


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """For good.example, localhost and 127.0.0.1, by itself."""
    if not shutil.which("openssl"):
        pytest.skip("the program openssl is not installed")
    return issue(tmp_path_factory.mktemp("tls"))

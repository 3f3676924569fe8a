"""The scripted servers are importable; certificates for those that speak TLS."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from scripted import Certificate


def _issue(folder: Path, name: str, days: int) -> Certificate:
    """A certificate for `name` and 127.0.0.1, signed by itself."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", str(days), "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True)  # fmt: skip
    return Certificate(str(certificate), str(key))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """For good.example, a year long."""
    if not shutil.which("openssl"):
        pytest.skip("the program openssl is not installed")
    return _issue(tmp_path_factory.mktemp("tls"), "good.example", 365)


@pytest.fixture(scope="session")
def short_certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """For good.example, three days long."""
    if not shutil.which("openssl"):
        pytest.skip("the program openssl is not installed")
    return _issue(tmp_path_factory.mktemp("tls"), "good.example", 3)

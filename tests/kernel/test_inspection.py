"""The closer look at a machine: addresses when they are asked for, and scripts that others can change."""

from __future__ import annotations

from ipaddress import ip_interface
from pathlib import Path

import pytest

from hakeep.config.settled import Script
from hakeep.kernel import inspection


def test_addresses_are_asked_for_once_and_late(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def addresses() -> inspection.Addresses:
        asked.append(1)
        return {"eth0": (ip_interface("192.0.2.11/24"),)}

    monkeypatch.setattr(inspection, "_addresses", addresses)
    host = inspection.inspect_host()
    assert host.known_interfaces
    assert asked == []
    assert host.subnets is not None
    assert host.subnets("eth0") == (ip_interface("192.0.2.11/24"),)
    assert host.subnets("eth9") == ()
    assert asked == [1]


def test_the_addresses_of_this_machine() -> None:
    host = inspection.inspect_host()
    assert host.known_interfaces is not None
    assert host.subnets is not None
    found = [address for name in host.known_interfaces for address in host.subnets(name)]
    assert all(address.ip in address.network for address in found)


def test_a_kernel_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise PermissionError

    monkeypatch.setattr("socket.if_nameindex", refuse)
    host = inspection.inspect_host()
    assert host.subnets is not None
    assert host.subnets("lo") == ()


def test_who_could_change_a_script(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o777)
    assert inspection.script_weakness(Script((str(script),))) != ""
    assert inspection.script_weakness(Script((str(tmp_path / "none"),))) == "", "that is told otherwise"
    assert inspection.script_weakness(Script(("/bin/sh",))) == ""

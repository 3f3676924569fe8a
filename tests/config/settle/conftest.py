"""Virtual servers from a few lines of configuration."""

from __future__ import annotations

from typing import Any

import pytest

from hakeep.config.settled_lvs import Check, Director, RealServer, VirtualServer

#: What most of them have.
PLAIN = "protocol TCP\nlvs_sched rr\nlvs_method NAT\n"


@pytest.fixture
def direct(load: Any) -> Any:
    def direct(text: str) -> Director:
        """The director of a whole configuration."""
        found = load(text).settings.lvs
        assert isinstance(found, Director)
        return found

    return direct


@pytest.fixture
def virtual(direct: Any) -> Any:
    def virtual(body: str = "", head: str = "10.0.0.1 80", outside: str = "", real: str = "10.1.0.1 80",
                inside: str = "", plain: str = PLAIN) -> VirtualServer:
        """The first virtual server, with one real server."""
        found = direct(f"{outside}\nvirtual_server {head} {{\n{plain}{body}\nreal_server {real} {{\n{inside}\n}}\n}}\n")
        first = found.virtual[0]
        assert isinstance(first, VirtualServer)
        return first

    return virtual


@pytest.fixture
def server(virtual: Any) -> Any:
    def server(inside: str = "", **more: Any) -> RealServer:
        """The real server of a virtual server."""
        found = virtual(inside=inside, **more).reals[0]
        assert isinstance(found, RealServer)
        return found

    return server


@pytest.fixture
def check(server: Any) -> Any:
    def check(inside: str, **more: Any) -> Check:
        """The only check of the real server."""
        (found,) = server(inside, **more).checks
        assert isinstance(found, Check)
        return found

    return check

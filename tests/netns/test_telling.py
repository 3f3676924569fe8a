"""Mail and webhooks of a whole daemon: what people get, and that nothing that VRRP does waits for it."""

from __future__ import annotations

import email
import email.policy
import itertools
import json
import os
import signal
import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hosts import Daemon, wait_until
from scene import V3, Scene
from test_daemon import TOOL, tool, within

from tests.notify.relay import Script, Server, answers, hangs, relay, serving

pytestmark = pytest.mark.netns

PATIENCE = 15.0


def ear(scene: Scene) -> socket.socket:
    """A listening socket in host a."""
    with scene.network["a"].inside():
        return socket.create_server(("192.0.2.11", 0))


def telling(office: Server, web: Server, more: str = "smtp_alert") -> str:
    """The configuration of host a, which tells these two."""
    words = f"""router_id first
    smtp_server 192.0.2.11 {office.port}
    smtp_helo_name first.example
    notification_email {{
        admin@example.org
        other@example.org
    }}
    notification_email_from first@example.org
    {more}
    notify_webhook http://192.0.2.11:{web.port}/hook
    notify_webhook_secret geheim"""
    return V3.config("a", 150).replace("global_defs {", f"global_defs {{\n{words}")


def subjects(office: Server) -> list[str]:
    lines = (line for letter in office.letters for line in letter.split(b"\r\n"))
    about = b"Subject: [first] VRRP Instance web - "
    return [line.removeprefix(about).decode() for line in lines if line.startswith(about)]


def posted(web: Server) -> list[str]:
    return [json.loads(body)["state"] for _, body in web.posts]


def vrrp_worker(daemon: Daemon) -> int:
    return next(pid for pid in daemon.processes() if Path(f"/proc/{pid}/comm").read_text() == "hakeepd_vrrp\n")


def end(daemon: Daemon, patience: float) -> float:
    """Stop it; how long that took."""
    begin = time.monotonic()
    daemon.signal(signal.SIGTERM)
    wait_until(lambda: not daemon.alive(), patience, "the daemon ends")
    return time.monotonic() - begin


def test_the_life_of_an_instance(scene: Scene) -> None:
    with ear(scene) as first, ear(scene) as second, serving(relay(), on=first) as office, \
            serving(answers(), on=second) as web:
        daemon = scene.run("a", telling(office, web))
        wait_until(lambda: "MASTER" in posted(web) and len(office.letters) == 2, PATIENCE, "news of a MASTER")
        before = daemon.log().count("Startup complete")
        os.kill(vrrp_worker(daemon), signal.SIGKILL)  # the next one goes on as MASTER, which is no news
        wait_until(lambda: daemon.log().count("Startup complete") > before, PATIENCE, "another worker")
        end(daemon, PATIENCE)
        assert subjects(office) == ["Entering BACKUP state", "Entering MASTER state", "Stopping"]
        assert posted(web) == ["BACKUP", "MASTER", "STOP"]
    master = json.loads(web.posts[1][1])
    assert (master["router_id"], master["kind"], master["name"], master["priority"]) == (
        "first", "INSTANCE", "web", 150)
    assert master["why"]


@pytest.mark.parametrize("misery", [hangs])
def test_who_does_not_answer_delays_no_advert_and_no_end(scene: Scene, misery: Script) -> None:
    with ear(scene) as first, ear(scene) as second, serving(misery, on=first) as office, \
            serving(misery, on=second) as web:
        daemon = scene.run("a", telling(office, web))
        scene.wait_for_holder("a", PATIENCE)
        wait_until(lambda: office.sessions and web.sessions, PATIENCE, "somebody asks for them")
        scene.network["a"].ip("link", "set", "eth0", "down")
        wait_until(lambda: "Entering FAULT STATE" in daemon.log(), PATIENCE)
        scene.network["a"].ip("link", "set", "eth0", "up")
        wait_until(lambda: daemon.log().count("Entering MASTER STATE") == 2, PATIENCE)
        since = time.time()
        wait_until(lambda: len(scene.sniffer.adverts("a", since)) > 10, PATIENCE)
        times = [frame.at for frame in scene.sniffer.adverts("a", since)]
        assert all(b - a < 0.35 for a, b in itertools.pairwise(times)), "adverts kept their beat"
        assert end(daemon, PATIENCE) < 8.0
    assert "not sent" in daemon.log()


def test_status_says_what_nobody_was_told(scene: Scene) -> None:
    """There is nobody at first: what waits, since when, and why; in JSON too. Then somebody comes."""
    with ear(scene) as first, ear(scene) as second:
        ports = [each.getsockname()[1] for each in (first, second)]
    daemon = scene.run("a", telling(*(SimpleNamespace(port=port) for port in ports)))  # type: ignore[arg-type]

    def posts() -> dict[str, dict[str, Any]]:
        said = within(daemon, *TOOL, "status", "--json").stdout
        return {post["kind"]: post for post in (json.loads(said)["posts"] if said else ())}

    def stuck() -> bool:
        """News of a BACKUP and of a MASTER; of these the webhook gets the last one only."""
        there = posts().values()
        return [post["waiting"] for post in there] == [2, 1] and all(post["trouble"] for post in there)

    wait_until(stuck, PATIENCE, "nobody takes them")
    assert all(time.time() - 60 < post["since"] < time.time() and "refused" in post["trouble"]
               for post in posts().values())
    text = tool(daemon, "status")
    assert "! alert mail: 2 not sent yet, the oldest for " in text and "! webhook: 1 not sent yet" in text
    with scene.network["a"].inside():
        late = socket.create_server(("192.0.2.11", ports[0]))
    with serving(relay(), on=late) as office:
        wait_until(lambda: not posts()["alert mail"]["waiting"], 40, "it is sent")
        assert len(office.letters) == 2 and "alert mail" not in tool(daemon, "status")


def test_the_life_of_a_service(scene: Scene) -> None:
    """From the checker in the lvs worker to the letter."""
    with ear(scene) as first, ear(scene) as second, serving(relay(), on=first) as office, \
            serving(answers(), on=second) as web:
        backend = ear(scene)
        port = backend.getsockname()[1]
        service = f"""virtual_server 192.0.2.100 80 {{
            delay_loop 1
            protocol TCP
            lvs_sched rr
            lvs_method NAT
            smtp_alert
            real_server 192.0.2.11 {port} {{
                TCP_CHECK {{
                    connect_timeout 1
                    retry 0
                    warmup 0
                }}
            }}
        }}
        """
        daemon = scene.run("a", telling(office, web, "lvs_backend memory") + service)
        wait_until(lambda: office.letters, PATIENCE, "the virtual server is there")
        wait_until(lambda: "TCP connection to" in daemon.log(), PATIENCE, "the first check")
        backend.close()
        wait_until(lambda: len(office.letters) == 3, PATIENCE, "letters about the failure")
        wait_until(lambda: posted(web).count("DOWN") == 2, PATIENCE)
        end(daemon, PATIENCE)
    virtual, real = "[192.0.2.100]:tcp:80", f"[192.0.2.11]:tcp:{port}"
    letters = [b"".join(letter.split(b"\r\n ")).decode() for letter in office.letters]  # folded headers
    for letter, about, body in zip(letters, (
        f"Virtualserver {virtual} - UP", f"Realserver {real} of virtual server {virtual} - DOWN",
        f"Virtualserver {virtual} - DOWN",
    ), ("Gained quorum 1+0=1 <= 1", "TCP CHECK failed on service", "Lost quorum 1-0=1 > 0"), strict=True):
        assert f"Subject: [first]{about}".replace(" ", "") in letter.replace(" ", ""), letter
        assert f"\r\n\r\n=> {body} <=" in letter
    down = next(json.loads(body) for _, body in web.posts if json.loads(body)["kind"] == "RS")
    assert (down["name"], down["virtual_server"], down["state"]) == (real, virtual, "DOWN")
    assert "TCP_CHECK" in down["why"]


@pytest.mark.interop
def test_letters_are_those_of_keepalived(scene: Scene, keepalived: None) -> None:
    """Headers that filters go by, and bodies, byte for byte."""
    found = {}
    for kind in ("keepalived", "hakeepd"):
        with ear(scene) as first, serving(relay(), on=first) as office:
            config = telling(office, office)
            if kind == "keepalived":
                config = "\n".join(line for line in config.splitlines() if "webhook" not in line)
            else:
                config = config.replace("notify_webhook http", "# http")
            daemon = scene.run("a", config, kind)
            wait_until(lambda office=office: len(office.letters) == 2, PATIENCE, f"letters of {kind}")
            scene.network["a"].ip("link", "set", "eth0", "down")
            wait_until(lambda office=office: len(office.letters) == 3, PATIENCE, f"a letter of {kind} about FAULT")
            scene.network["a"].ip("link", "set", "eth0", "up")
            wait_until(lambda office=office: len(office.letters) == 5, PATIENCE, f"letters of {kind} about its end")
            end(daemon, PATIENCE)
            found[kind] = [read(letter) for letter in office.letters[:5]]
    assert found["hakeepd"] == found["keepalived"]


def read(letter: bytes) -> tuple[str, str, str, str, str]:
    """What of a letter must be as it was."""
    text = email.message_from_bytes(letter, policy=email.policy.default)
    program = text["X-Mailer"].split()[0]
    return text["Subject"], text["To"], text["From"], program, text.get_content().strip()

"""nginx as a real server, inside User Mode Linux: the director asks it for a page, by HTTP_GET and SSL_GET."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import ssl
import subprocess
from collections.abc import Iterator
from typing import Any

import inside
from director_lan import NAT, NAT4, WAY_BACK, Lan, Machine, take, virtual

PORT, TLS_PORT = 8091, 8443

#: It says who it is, at which port, and whom it talks with; while there is the file `sick` it has 503 for an answer.
NGINX = """
user root; pid {run}/nginx.pid; error_log {run}/nginx.log; worker_processes 1; daemon off;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {run}/body; proxy_temp_path {run}/proxy; fastcgi_temp_path {run}/fastcgi;
    uwsgi_temp_path {run}/uwsgi; scgi_temp_path {run}/scgi;
    server {{
        listen {port}; listen {tls_port} ssl;
        ssl_certificate {run}/cert; ssl_certificate_key {run}/key;
        location / {{
            if (-f {run}/sick) {{ return 503; }}
            return 200 "{name}:$server_port $remote_addr\\n";
        }}
    }}
}}
"""

URL = "url {\npath /\nstatus_code 200\n}\nconnect_timeout 2\n}"
CONFIG = "".join(
    virtual(f"{NAT} {where}", "lvs_sched rr\nlvs_method NAT", *(f"{ip} {port} 1" for ip in NAT4[:2]),
            check=f"{check} {{\n{URL}")
    for where, port, check in ((80, PORT, "HTTP_GET"), (443, TLS_PORT, "SSL_GET")))


class Nginx:
    """nginx on a real server: its first process and a worker."""

    def __init__(self, real: Machine) -> None:
        self._real = real
        self._process: subprocess.Popen[bytes] | None = None
        self.sick = real.run / "sick"
        self._config = real.run / "nginx.conf"
        self._config.write_text(NGINX.format(run=real.run, port=PORT, tls_port=TLS_PORT, name=real.name))
        inside.command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                       "-subj", f"/CN={real.name}", "-keyout", f"{real.run}/key", "-out", f"{real.run}/cert")

    def start(self) -> None:
        with self._real.inside():
            self._process = subprocess.Popen(
                ("nginx", "-e", f"{self._real.run}/nginx.log", "-c", str(self._config)), start_new_session=True)

    def kill(self) -> None:
        """Both processes."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def get(lan: Lan, port: int) -> str:
    """What the client is answered by HTTP, or by HTTPS at port 443; the error's name where it gets no page."""
    context = ssl._create_unverified_context() if port == 443 else None
    try:
        with lan.client.inside():
            made = (http.client.HTTPSConnection(NAT, port, timeout=3, context=context) if context else
                    http.client.HTTPConnection(NAT, port, timeout=3))
            made.connect()
        with contextlib.closing(made):
            made.request("GET", "/")
            answer = made.getresponse()
            return f"{answer.status} {answer.read().decode().strip()}"
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__


def web(lan: Lan) -> Iterator[tuple[str, Any]]:
    """Who serves while one nginx is killed, started, and answers with an error."""
    director, servers = lan.directors["a"], [Nginx(lan.reals[name]) for name in ("r1", "r2")]
    take(director, NAT, WAY_BACK)
    for each in servers:
        each.start()
    director.start()

    def state(what: str, number: int) -> tuple[str, Any]:
        """The table has so many entries; who serves then."""
        inside.wait_until(lambda: director.table().count("-a ") == number, what)
        return what, {str(port): [get(lan, port) for _ in range(4)] for port in (80, 443)}

    inside.wait_until(lambda: director.said("succeed on service") == 4, "all are found well")
    yield state("both are well", 4)
    servers[0].kill()
    yield state("r1 is killed", 2)
    servers[0].start()
    yield state("r1 is started", 4)
    servers[1].sick.touch()
    yield state("r2 has errors", 2)
    servers[1].sick.unlink()
    yield state("r2 has none", 4)
    for each in servers:
        each.kill()

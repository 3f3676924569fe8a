"""An HTTP server that says on which host it is: nginx where it is installed, else a few lines of Python."""

from __future__ import annotations

import os
import shutil
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer

NGINX = """
daemon off; user root; pid /run/nginx.pid; error_log stderr; worker_processes 1;
events { }
http {
    access_log off;
    client_body_temp_path /run/body; proxy_temp_path /run/proxy; fastcgi_temp_path /run/fastcgi;
    uwsgi_temp_path /run/uwsgi; scgi_temp_path /run/scgi;
    server { listen 80; listen [::]:80; location / { return 200 "HOST\\n"; } }
}
"""


class Page(BaseHTTPRequestHandler):
    """The one page there is."""

    def do_GET(self) -> None:
        text = socket.gethostname().encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: a thousand lines a second would say the same."""


class Server(ThreadingHTTPServer):
    """On all addresses of both families."""

    address_family = socket.AF_INET6
    daemon_threads = True

    def server_bind(self) -> None:
        """Without asking who we are: the question for our name waits for a name server that is not there."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = socket.gethostname(), self.server_address[1]


def main() -> None:
    nginx = shutil.which("nginx")
    if nginx:
        config = Path("/run/nginx.conf")
        config.write_text(NGINX.replace("HOST", socket.gethostname()))
        os.execv(nginx, [nginx, "-e", "stderr", "-c", str(config)])
    Server(("::", 80), Page).serve_forever()


if __name__ == "__main__":
    main()

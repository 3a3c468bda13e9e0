"""API Gateway under the name and over the TLS that it has on AWS, for a client that knows nothing of MiniStack.

Clients find it as they find any proxy for HTTPS: by `HTTPS_PROXY`. It has a certificate of its own, which they trust by
`REQUESTS_CA_BUNDLE`, and leads to nothing but MiniStack's APIs.
"""

import ssl
import subprocess
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from processes import REGION
from server import Answer, Request, Server
from tls import TLS

DOMAIN = f"execute-api.{REGION}.amazonaws.com"


class ApiGateway(Server):
    """Stands in front of MiniStack at this port. `prepare` is called before the first request that an API gets."""

    def __init__(self, port: int, directory: Path, prepare):
        self._port, self._prepare, self._prepared = port, prepare, set()
        self._certificate, key = _create_certificate(directory)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(self._certificate, key)
        super().__init__()

    def environment(self) -> dict[str, str]:
        """Returns what clients need."""
        return {"HTTPS_PROXY": self.url, "REQUESTS_CA_BUNDLE": str(self._certificate)}

    def connect(self, handler: BaseHTTPRequestHandler):
        api, _, domain = handler.path.rsplit(":", 1)[0].partition(".")
        if domain != DOMAIN:
            return handler.send_error(403)
        if api not in self._prepared:
            self._prepare()
            self._prepared.add(api)
        handler.send_response(200)
        handler.end_headers()
        handler.connection = self._tls.wrap_socket(handler.connection, server_side=True)
        handler.rfile, handler.wfile = handler.connection.makefile("rb"), handler.connection.makefile("wb", 0)
        # Requests follow, although clients ask for the connection with HTTP/1.0.
        handler.close_connection = False

    def answer(self, request: Request) -> Answer:
        api = request.headers["Host"].split(".")[0]
        host = {"Host": f"{api}.execute-api.localhost:{self._port}"}
        return request.send_to(f"127.0.0.1:{self._port}", {**TLS, **host})


def _create_certificate(directory: Path) -> tuple[Path, Path]:
    certificate, key = directory / "api.pem", directory / "api.key"
    names = ["-subj", f"/CN={DOMAIN}", "-addext", f"subjectAltName=DNS:*.{DOMAIN}"]
    kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    command = ["openssl", *kind, *names, "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    return certificate, key

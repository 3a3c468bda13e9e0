"""API Gateway under the name and over the TLS that it has on AWS, for a client that knows nothing of MiniStack.

Clients find it as they find any proxy for HTTPS: by `HTTPS_PROXY`. It has a certificate of its own, which they trust by
`REQUESTS_CA_BUNDLE`, and leads to nothing but MiniStack's APIs.
"""

import ssl
import subprocess
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from processes import REGION
from tls import TLS, pass_on, serving

DOMAIN = f"execute-api.{REGION}.amazonaws.com"


@contextmanager
def api_gateway(port: int, directory: Path, prepare):
    """Runs it in front of MiniStack at this port and yields the environment that clients need.

    `prepare` is called before the first request that an API gets.
    """
    certificate, key = _create_certificate(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    prepared = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_CONNECT(self):
            self.api, _, domain = self.path.rsplit(":", 1)[0].partition(".")
            if domain != DOMAIN:
                return self.send_error(403)
            if self.api not in prepared:
                prepare()
                prepared.add(self.api)
            self.send_response(200)
            self.end_headers()
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
            # Requests follow, although clients ask for the connection with HTTP/1.0.
            self.close_connection = False

        def forward(self):
            pass_on(self, port, {**TLS, "Host": f"{self.api}.execute-api.localhost:{port}"})

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = forward

        def log_message(self, *_):
            pass

    with serving(Handler) as url:
        yield {"HTTPS_PROXY": url, "REQUESTS_CA_BUNDLE": str(certificate)}


def _create_certificate(directory: Path) -> tuple[Path, Path]:
    certificate, key = directory / "api.pem", directory / "api.key"
    names = ["-subj", f"/CN={DOMAIN}", "-addext", f"subjectAltName=DNS:*.{DOMAIN}"]
    kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    command = ["openssl", *kind, *names, "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    return certificate, key

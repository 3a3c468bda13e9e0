"""S3's HTTPS endpoint, as the functions see it.

MiniStack serves HTTP only, and the deployed bucket policies refuse what does not come over TLS. A header says that a
proxy terminates TLS: this proxy adds it, and clients that speak to MiniStack itself send it.
"""

import http.client
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# What a proxy that terminates TLS adds.
TLS = {"X-Forwarded-Proto": "https"}


def pass_on(handler: BaseHTTPRequestHandler, port: int, changes: dict):
    """Sends a request on to MiniStack at this port, with changed headers, and its answer back."""
    body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=40)
    try:
        connection.request(handler.command, handler.path, body, {**dict(handler.headers.items()), **changes})
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    handler.send_response_only(answer.status)
    for name, value in answer.getheaders():
        if name.lower() not in ("transfer-encoding", "connection", "content-length"):
            handler.send_header(name, value)
    # The response to a HEAD states the object's length.
    length = answer.getheader("content-length") if handler.command == "HEAD" else None
    handler.send_header("content-length", length or str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]):
    """Runs a server on loopback and yields its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def tls_proxy(port: int):
    """Runs the proxy in front of MiniStack at this port and yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self):
            # The signature covers the host, so that the header `Host` is passed on as it is.
            pass_on(self, port, TLS)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = forward

        def log_message(self, *_):
            pass

    return serving(Handler)

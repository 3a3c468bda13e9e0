"""S3's HTTPS endpoint, as the functions see it.

MiniStack serves HTTP only, and the deployed bucket policies refuse what does not come over TLS. A header says that a
proxy terminates TLS: the test sends it by itself, and this proxy adds it to what the functions' SDK sends.
"""

import http.client
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# What a proxy that terminates TLS adds.
TLS = {"X-Forwarded-Proto": "https"}


def _handler(port: int):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self):
            headers = dict(self.headers.items())
            if "aws-sdk-rust" in headers.get("user-agent", ""):
                headers |= TLS
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            # The signature covers the host, so that the header `Host` is passed on as it is.
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=40)
            try:
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                content = answer.read()
            finally:
                connection.close()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            # The response to a HEAD states the object's length.
            length = answer.getheader("content-length") if self.command == "HEAD" else None
            self.send_header("content-length", length or str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = forward

        def log_message(self, *_):
            pass

    return Handler


@contextmanager
def tls_proxy(port: int):
    """Runs the proxy in front of MiniStack at this port and yields its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(port))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()

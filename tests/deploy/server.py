"""HTTP servers on loopback that a test answers itself, or passes on."""

import http.client
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Status, headers and body.
Answer = tuple[int, list[tuple[str, str]], bytes]
# What each connection has of its own.
OF_CONNECTION = ("transfer-encoding", "connection", "content-length")


@dataclass(frozen=True)
class Request:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def send_to(self, address: str, changes: dict[str, str] | None = None) -> Answer:
        """Passes it on to another server, with changed headers; `Host` stays, since a signature covers it."""
        connection = http.client.HTTPConnection(address, timeout=40)
        try:
            connection.request(self.method, self.path, self.body, {**self.headers, **(changes or {})})
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()


class Server:
    """Listens on a free port from its creation until it is closed; a subclass answers."""

    def __init__(self):
        # What went wrong while answering: a client sees a 500, and the test would see nothing.
        self.problems: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.address = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.address}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, request: Request) -> Answer | None:
        """Returns the response; with none, the connection is closed."""
        raise NotImplementedError

    def connect(self, handler: BaseHTTPRequestHandler):
        """Handles CONNECT."""
        handler.send_error(405)

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_request(self):
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            try:
                answer = server.answer(Request(self.command, self.path, dict(self.headers.items()), body))
            except Exception as problem:
                server.problems.append(f"{self.command} {self.path}: {problem!r}")
                answer = 500, [], b""
            if answer:
                self._respond(*answer)
            else:
                self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = handle_request

        def do_CONNECT(self):
            server.connect(self)

        def _respond(self, status: int, headers: list[tuple[str, str]], body: bytes):
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in OF_CONNECTION:
                    self.send_header(name, value)
            # The response to a HEAD states the object's length.
            stated = {name.lower(): value for name, value in headers}.get("content-length")
            self.send_header("content-length", (self.command == "HEAD" and stated) or str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler

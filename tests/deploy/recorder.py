"""A proxy between one function and the local AWS that records every call."""

import http.client
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from models import Operation, resolve, service

TRANSCODERS = {"mediaconvert", "elastictranscoder"}
SERVICES = TRANSCODERS | {"dynamodb", "s3", "events", "secretsmanager"}


@dataclass
class Call:
    """One request of a function, and the response."""

    role: str
    service: str
    operation: Operation
    method: str
    url: str
    status: int
    headers: dict
    content: bytes
    is_signed_url: bool = False

    def __str__(self):
        return f"{self.role}: {self.service} {self.operation.name}"


class Recorder:
    """What one function, by its role, sends to AWS. The local system has no Secrets Manager: `secret` is its answer."""

    def __init__(self, role: str, endpoints: dict, secret: dict):
        self.role, self._endpoints, self._secret = role, endpoints, secret
        for name in SERVICES:
            service(name)  # Reading a model takes longer than a function waits for its first response.
        self.calls: list[Call] = []
        self.problems: list[str] = []
        # Operations whose next response is lost: it becomes a 500.
        self.lose: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def forward(self, method: str, url: str, headers: dict, body: bytes) -> tuple[int, dict, bytes]:
        lower = {name.lower(): value for name, value in headers.items()}
        # `Credential=ID/date/region/service/aws4_request`; a form or a link of S3 has none in its headers.
        authorization = lower.get("authorization", "").split("/")
        name = authorization[3] if len(authorization) > 4 else "s3"
        status, told, content = self._respond(name, method, url, headers, body)
        is_signed_url = "authorization" not in lower
        if not (is_signed_url and method == "POST"):
            told_lower = {name.lower(): value for name, value in told}
            operation = resolve(name, method, url, lower, body)
            call = Call(self.role, name, operation, method, url, status, told_lower, content, is_signed_url)
            self.calls.append(call)
            if operation.name in self.lose and status < 300:
                self.lose.remove(operation.name)
                return 500, [("content-type", "application/json")], b'{"message":"lost by the test"}'
        return status, told, content

    def _respond(self, service: str, method: str, url: str, headers: dict, body: bytes):
        if service == "secretsmanager":
            content = {"Name": "admin", "SecretString": json.dumps(self._secret)}
            return 200, [("content-type", "application/x-amz-json-1.1")], json.dumps(content).encode()
        endpoint = "transcoder" if service in TRANSCODERS | {"events"} else service
        # The signature covers the host, so that the header `Host` is passed on as it is.
        connection = http.client.HTTPConnection(urlsplit(self._endpoints[endpoint]).netloc, timeout=40)
        try:
            connection.request(method, url, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _handler(self):
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_any(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                try:
                    status, told, content = recorder.forward(self.command, self.path, dict(self.headers.items()), body)
                except Exception as problem:  # The function would see a broken connection and the test nothing.
                    recorder.problems.append(f"{self.command} {self.path}: {problem!r}")
                    status, told, content = 500, [], b""
                self.send_response_only(status)
                for name, value in told:
                    if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                        self.send_header(name, value)
                length = dict((name.lower(), value) for name, value in told).get("content-length")
                self.send_header("content-length", (self.command == "HEAD" and length) or str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_any

            def log_message(self, *_):
                pass

        return Handler


@contextmanager
def recording(role: str, endpoints: dict, secret: dict):
    """Runs a proxy in front of these endpoints and yields its recorder."""
    recorder = Recorder(role, endpoints, secret)
    try:
        yield recorder
    finally:
        recorder.close()

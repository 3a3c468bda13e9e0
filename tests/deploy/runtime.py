"""The Lambda Runtime API, and a function's program as a process that polls it.

See https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html.
"""

import json
import queue
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from processes import REGION, running

# Longer than any invocation in a test.
SECONDS = 60


class Function:
    """A function, invoked with one event at a time."""

    def __init__(self):
        self._events: queue.Queue = queue.Queue()
        self._outcomes: queue.Queue = queue.Queue()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def invoke(self, event: dict):
        """Returns the response; an error that the function reports is raised."""
        self._events.put(json.dumps(event).encode())
        kind, body = self._outcomes.get(timeout=SECONDS)
        if kind == "error":
            raise FunctionError(body)
        return json.loads(body or b"null")

    def close(self):
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()

    def _handler(self):
        function = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                event = function._events.get()
                if event is None:
                    return None  # The process has ended.
                self._respond(
                    200,
                    event,
                    **{
                        "lambda-runtime-aws-request-id": "00000000-0000-0000-0000-000000000001",
                        "lambda-runtime-deadline-ms": str(int((time.time() + 30) * 1000)),
                        "lambda-runtime-invoked-function-arn": f"arn:aws:lambda:{REGION}:000000000000:function:test",
                        "content-type": "application/json",
                    },
                )

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                function._outcomes.put((self.path.rsplit("/", 1)[-1], body))
                self._respond(202, b"{}")

            def _respond(self, status: int, body: bytes, **headers):
                self.send_response_only(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler


class FunctionError(Exception):
    """The error that a function reported."""


@contextmanager
def function(program: Path, log: Path, variables: dict):
    """Runs a function's program with these variables and no others."""
    here = Function()
    lambdas = {
        "AWS_LAMBDA_RUNTIME_API": here.address,
        "AWS_LAMBDA_FUNCTION_NAME": "test",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
    }
    try:
        with running([str(program)], log, {**lambdas, **variables}):
            yield here
    finally:
        here.close()

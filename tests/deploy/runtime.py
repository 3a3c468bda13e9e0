"""The Lambda Runtime API, and a function's program as a process that polls it.

See https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html.
"""

import json
import queue
import time
from contextlib import contextmanager
from pathlib import Path

from processes import REGION, running
from server import Answer, Request, Server

# Longer than any invocation in a test.
SECONDS = 60


class Function(Server):
    """A function, invoked with one event at a time."""

    def __init__(self):
        self._events: queue.Queue = queue.Queue()
        self._outcomes: queue.Queue = queue.Queue()
        super().__init__()

    def invoke(self, event: dict):
        """Returns the response; an error that the function reports is raised."""
        self._events.put(json.dumps(event).encode())
        kind, body = self._outcomes.get(timeout=SECONDS)
        if kind == "error":
            raise FunctionError(body)
        return json.loads(body or b"null")

    def answer(self, request: Request) -> Answer | None:
        if request.method == "POST":
            self._outcomes.put((request.path.rsplit("/", 1)[-1], request.body))
            return 202, [], b"{}"
        event = self._events.get()
        headers = {
            "lambda-runtime-aws-request-id": "00000000-0000-0000-0000-000000000001",
            "lambda-runtime-deadline-ms": str(int((time.time() + 30) * 1000)),
            "lambda-runtime-invoked-function-arn": f"arn:aws:lambda:{REGION}:000000000000:function:test",
            "content-type": "application/json",
        }
        # Without an event, the process has ended.
        return None if event is None else (200, list(headers.items()), event)

    def close(self):
        self._events.put(None)
        super().close()


class FunctionError(Exception):
    """The error that a function reported."""


@contextmanager
def function(program: Path, log: Path, variables: dict):
    """Runs a function's program with these variables and no others."""
    with Function() as here:
        lambdas = {
            "AWS_LAMBDA_RUNTIME_API": here.address,
            "AWS_LAMBDA_FUNCTION_NAME": "test",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        }
        with running([str(program)], log, {**lambdas, **variables}):
            yield here

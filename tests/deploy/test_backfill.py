"""tools/backfill with the real AWS command line and a Lambda whose answers are given."""

import json
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import template


class Lambda:
    """Answers each invocation with the next of `answers`; one with `errorMessage` is a failed invocation."""

    def __init__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.events, self.answers = [], []
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def _handler(self):
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                payload = json.loads(self.rfile.read(int(self.headers["content-length"])))
                service.events.append((self.path.split("/")[3], payload))
                answer = service.answers.pop(0)
                body = json.dumps(answer).encode()
                self.send_response(200)
                if "errorMessage" in answer:
                    self.send_header("X-Amz-Function-Error", "Unhandled")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler


@pytest.fixture
def function():
    service = Lambda()
    yield service
    service.close()


def backfill(function, *arguments) -> subprocess.CompletedProcess:
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_DEFAULT_OUTPUT": "text",
        "AWS_ENDPOINT_URL_LAMBDA": function.url,
        "AWS_MAX_ATTEMPTS": "1",
    }
    return subprocess.run(
        [template.ROOT / "tools/backfill", *arguments], env=environment, capture_output=True, text=True, timeout=60
    )


def slice_of(segment: int, completed: int, following: int | None) -> dict:
    return {"segment": segment, "segments": 256, "completed": completed, "next": following}


def event(segment: int) -> tuple[str, dict]:
    return "video-events", {"source": "video-events", "detail-type": "Backfill", "detail": {"segment": segment}}


def test_slices_are_followed_until_none_is_left(function):
    function.answers = [slice_of(0, 1200, 90), slice_of(90, 0, 200), slice_of(200, 7, None)]
    done = backfill(function, "video-events")
    assert done.returncode == 0, done.stderr
    assert function.events == [event(0), event(90), event(200)]
    assert done.stdout.splitlines() == [
        "up to segment 90 of 256: 1200 records completed",
        "up to segment 200 of 256: 1200 records completed",
        "up to segment 256 of 256: 1207 records completed",
    ]


@pytest.mark.parametrize("answer", [{"errorMessage": "Task timed out after 30.00 seconds"}, {"unknown": "event"}])
def test_a_slice_that_fails_is_not_taken_for_the_last_one(function, answer):
    function.answers = [slice_of(0, 5, 90), answer]
    done = backfill(function, "video-events")
    assert done.returncode == 1
    assert "the slice from segment 90 failed" in done.stderr
    assert json.dumps(answer) in done.stderr

    assert "go on with: tools/backfill video-events 90" in done.stderr
    function.answers = [slice_of(90, 1, None)]
    assert backfill(function, "video-events", "90").returncode == 0
    assert function.events == [event(0), event(90), event(90)]


def test_a_missing_argument_is_named(function):
    done = backfill(function)
    assert (done.returncode, "EventsFunctionName" in done.stderr, function.events) == (2, True, [])

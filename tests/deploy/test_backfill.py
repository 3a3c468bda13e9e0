"""tools/backfill with the real AWS command line and a Lambda whose answers are given."""

import json
import os
import subprocess

import pytest

import template
from server import Answer, Request, Server


class Lambda(Server):
    """Answers each invocation with the next of `answers`; one with `errorMessage` is a failed invocation."""

    def __init__(self):
        self.events, self.answers = [], []
        super().__init__()

    def answer(self, request: Request) -> Answer:
        self.events.append((request.path.split("/")[3], json.loads(request.body)))
        answer = self.answers.pop(0)
        headers = [("X-Amz-Function-Error", "Unhandled")] if "errorMessage" in answer else []
        return 200, headers, json.dumps(answer).encode()


@pytest.fixture
def function():
    with Lambda() as service:
        yield service


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

"""tools/redrive with the real AWS command line, a real queue and a Lambda that does as it is told."""

import json
import subprocess
import time

import pytest

import template
from processes import cloud
from server import Answer, Request, Server

FUNCTION = "video-events"
# Version 1 of the command line has fixed endpoints of SQS for older regions and passes over AWS_ENDPOINT_URL there.
REGION = "il-central-1"


class Lambda(Server):
    """Accepts invocations until it has accepted `room` of them; `on_invoke` runs before each answer."""

    def __init__(self):
        self.reset()
        super().__init__()

    def reset(self, room: int = 100, on_invoke=lambda: None):
        self.accepted, self.room, self.on_invoke = [], room, on_invoke

    def answer(self, request: Request) -> Answer:
        self.on_invoke()
        kind = (request.headers["X-Amz-Invocation-Type"], request.path.split("/")[3])
        if kind != ("Event", FUNCTION) or len(self.accepted) >= self.room:
            return 403, [], b'{"Message": "not authorized"}'
        self.accepted.append(request.body.decode())
        return 202, [], b""


@pytest.fixture(scope="module")
def function():
    with Lambda() as service:
        yield service


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    with cloud(tmp_path_factory.mktemp("redrive"), "http://127.0.0.1:9") as here:
        yield here


class Letters:
    """A queue of its own."""

    def __init__(self, sqs, name: str):
        self._sqs = sqs
        self.url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "120"})["QueueUrl"]

    def add(self, *bodies: str):
        for body in bodies:
            self._sqs.send_message(QueueUrl=self.url, MessageBody=body)

    def count(self) -> int:
        """All of them, received or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)


@pytest.fixture
def letters(here, request):
    return Letters(here.client("sqs", REGION), request.node.name.replace("_", "-")[:80])


def redrive(here, function, *arguments) -> subprocess.CompletedProcess:
    environment = {
        **here.environment(),
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL_LAMBDA": function.url,
        "AWS_MAX_ATTEMPTS": "1",
    }
    return subprocess.run(
        [template.ROOT / "tools/redrive", *arguments], env=environment, capture_output=True, text=True, timeout=120
    )


def letter(number: int) -> str:
    """With what a shell could trip over."""
    return json.dumps({"version": "1.0", "requestPayload": {"Records": [f"$(x) 'é' \\ \"{number}\" %s"]}}) + "\n"


def test_ten_letters_are_all_redriven_as_they_are(here, function, letters):
    function.reset()
    sent = [letter(number) for number in range(10)]
    letters.add(*sent)
    done = redrive(here, function, letters.url, FUNCTION)
    assert (done.returncode, done.stdout) == (0, "10 redriven, 0 newer left in the queue\n"), done.stderr
    assert sorted(function.accepted) == sorted(sent)
    assert letters.count() == 0


def test_a_letter_stays_when_its_invoke_fails(here, function, letters):
    function.reset(room=1)
    letters.add(letter(1), letter(2), letter(3))
    done = redrive(here, function, letters.url, FUNCTION)
    assert done.returncode == 1
    assert "1 redriven, then a step failed" in done.stderr
    assert (len(function.accepted), letters.count()) == (1, 2)


def test_an_empty_receive_is_believed_only_after_long_polling(here, function, letters):
    function.reset()
    start = time.monotonic()
    done = redrive(here, function, letters.url, FUNCTION)
    assert (done.returncode, done.stdout) == (0, "0 redriven, 0 newer left in the queue\n"), done.stderr
    assert time.monotonic() - start > 5
    assert function.accepted == []


def test_a_queue_that_cannot_be_read_is_a_failure(here, function):
    done = redrive(here, function, f"{here.endpoint}/000000000000/no-such-queue", FUNCTION)
    assert (done.returncode != 0, done.stdout) == (True, "")
    assert "NonExistentQueue" in done.stderr


def test_letters_that_fail_again_do_not_keep_it_running_for_ever(here, function, letters):
    """Every invocation fails and is a letter again at once, dated after the start."""
    letters.add(letter(1))
    # SQS dates letters in milliseconds, the script its start in seconds.
    function.reset(room=5, on_invoke=lambda: (time.sleep(1.1), letters.add(letter(1))))
    done = redrive(here, function, letters.url, FUNCTION)
    assert (done.returncode, done.stdout) == (0, "1 redriven, 1 newer left in the queue\n"), done.stderr
    assert letters.count() == 1


@pytest.mark.parametrize("arguments", [[], ["https://queue"]])
def test_missing_arguments_are_named(here, function, arguments):
    done = redrive(here, function, *arguments)
    assert done.returncode == 2
    assert "DeadLettersUrl" in done.stderr

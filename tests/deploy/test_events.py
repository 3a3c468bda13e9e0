"""docs/EVENTS.md: its schema accepts what is really sent and its own example, and nothing that it forbids."""

import json
import os
import re
import subprocess

import jsonschema
import pytest
import requests

import template
from processes import eventually, running
from server import Answer, Request, Server

SCHEMA = json.loads((template.ROOT / "docs/video-event.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
(EXAMPLE,) = re.findall(r"```json\n(.*?)```", (template.ROOT / "docs/EVENTS.md").read_text(), re.DOTALL)


def failed(event: dict) -> dict:
    kept = {name: event["detail"][name] for name in ("project", "step", "video", "sequencer")}
    return {**event, "detail-type": "Video Failed", "detail": {**kept, "status": "failed", "error": "no video"}}


def test_the_schema_is_one_and_accepts_the_examples():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    VALIDATOR.validate(json.loads(EXAMPLE))
    VALIDATOR.validate(failed(json.loads(EXAMPLE)))


@pytest.mark.parametrize(
    "change",
    [
        {"mail": "eduard@example.com"},
        {"status": "failed"},
        {"status": "transcoding"},
        {"error": "no video"},
        {"duration": 0},
        {"sequencer": "soon"},
        {"output": None},
    ],
)
def test_the_schema_rejects_what_is_never_sent(change):
    event = json.loads(EXAMPLE)
    event["detail"] |= change
    assert not VALIDATOR.is_valid(event)
    assert not VALIDATOR.is_valid({**json.loads(EXAMPLE), "detail-type": "Video Failed"})


class Webhook(Server):
    """Takes every event."""

    def __init__(self):
        self.events = []
        super().__init__()

    def answer(self, request: Request) -> Answer:
        self.events.append(json.loads(request.body))
        return 204, [], b""


@pytest.fixture
def received():
    with Webhook() as webhook:
        yield f"{webhook.url}/", webhook.events


@pytest.mark.parametrize("transcoder", ["mediaconvert", "elastictranscoder"])
def test_what_is_sent_has_the_schema(transcoder, local_program, received, tmp_path):
    url, events = received
    ready = tmp_path / "ready.json"
    command = [local_program, "--port", "0", "--data-dir", tmp_path / "data", "--ready-file", ready]
    command += ["--transcoder", transcoder, "--webhook", url]
    recording = ["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=160x120:duration=1"]
    webm = subprocess.run([*recording, "-f", "webm", "-"], check=True, capture_output=True).stdout
    with running(command, tmp_path / "log", dict(os.environ)):
        api = json.loads(eventually(lambda: ready.exists() and ready.read_text(), "video-local starts"))["api"]
        for step, video in enumerate([webm, b"no video"]):
            form = requests.get(f"{api}/presignedurl/events/{step}?mail=eduard@example.com", timeout=10).json()
            requests.post(form["url"], data=form["fields"], files={"file": video}, timeout=10).raise_for_status()
        eventually(lambda: len(events) >= 2, "both results are told", 120)
    for event in events:
        VALIDATOR.validate(event)
        assert "eduard" not in json.dumps(event)
    details = {event["detail"]["step"]: event["detail"] for event in events}
    facts = [details["0"].get(name) for name in ("duration", "width", "height")]
    assert (facts, details["1"]["status"]) == ([1, 160, 120], "failed")
    assert details["0"]["poster"].endswith(".jpg" if transcoder == "mediaconvert" else ".png")

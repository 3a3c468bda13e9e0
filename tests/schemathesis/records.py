"""Gives a running video-local a ready video, and the examples in the description: a failed one to be retried, and two
to be erased."""

import json
import subprocess
import sys
import time

import requests

READY = json.load(open(sys.argv[1]))
WEBM = "ffmpeg -nostdin -loglevel error -f lavfi -i testsrc=size=160x120:rate=10:duration=1 -c:v libvpx -f webm pipe:1"


def upload(project, mail, file):
    form = requests.get(f"{READY['api']}/presignedurl/{project}/0", params={"mail": mail}, timeout=30).json()
    requests.post(form["url"], data=form["fields"], files={"file": file}, timeout=30).raise_for_status()


def states():
    admin = (READY["admin"]["username"], READY["admin"]["password"])
    return sorted(video["status"] for video in requests.get(f"{READY['api']}/videos", auth=admin, timeout=30).json())


for mail in ("eduard@orkei.com", "once@orkei.com", "erased@orkei.com"):
    upload("testProject", mail, b"no video")
upload("other", "a@b", subprocess.run(WEBM.split(), check=True, capture_output=True).stdout)
deadline = time.monotonic() + 120
while states() != ["failed", "failed", "failed", "ready"]:
    if time.monotonic() > deadline:
        sys.exit(f"the uploads ended as {states()}")
    time.sleep(0.1)

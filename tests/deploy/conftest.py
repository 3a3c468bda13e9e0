"""The programs: the functions as `sam build` makes them, and the local system from debug builds."""

import os
from pathlib import Path

import pytest

import template
from deployment import PARAMETERS, command, emptied
from deployment import WORK as DEPLOYMENT
from permissions import MEDIA, OUTPUT
from processes import REGION, clients, video_local

WORK = template.ROOT / "target" / "witness"


@pytest.fixture(scope="session")
def built() -> Path:
    """Runs `sam build` and returns its directory: the functions' programs and the template that names them."""
    directory = DEPLOYMENT / "build"
    environment = {**os.environ, "AWS_DEFAULT_REGION": REGION}
    overrides = f"Architecture={PARAMETERS['Architecture']}"
    words = ["sam", "build", "--build-dir", directory, "--parameter-overrides", overrides]
    command(*words, environment=environment, seconds=2400)
    return directory


@pytest.fixture(scope="session")
def local_program() -> Path:
    command("tools/build-local", seconds=2400)
    return template.ROOT / "target/debug/video-local"


@pytest.fixture(scope="session")
def programs() -> Path:
    command("tools/build-local", "video-local", "video-api", "video-events", seconds=2400)
    return template.ROOT / "target/debug"


@pytest.fixture(scope="session")
def directory() -> Path:
    return emptied(WORK)


@pytest.fixture(scope="session")
def video(directory) -> bytes:
    file = directory / "video.mp4"
    picture = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30:duration=1"]
    command("ffmpeg", "-v", "error", "-y", *picture, "-c:v", "libx264", "-preset", "ultrafast", file)
    return file.read_bytes()


@pytest.fixture(scope="session")
def local(programs, directory):
    with video_local(programs / "video-local", directory) as local:
        make = clients(local["s3"], local["access_key_id"], local["secret_access_key"])
        for bucket in (MEDIA, OUTPUT):
            make("s3").create_bucket(Bucket=bucket)
        yield local

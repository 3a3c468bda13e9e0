"""The programs: the functions as `sam build` makes them, and the local system from debug builds."""

import os
import subprocess
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
    command(
        "sam",
        "build",
        "--build-dir",
        directory,
        "--parameter-overrides",
        overrides,
        environment=environment,
        seconds=2400,
    )
    return directory


@pytest.fixture(scope="session")
def local_program() -> Path:
    # --workspace: the features, and thus the dependencies, of the build that the other tests use.
    command("tools/build-local", seconds=2400)
    return template.ROOT / "target/debug/video-local"


@pytest.fixture(scope="session")
def programs() -> Path:
    # As tools/build-local: with the features, and thus the dependencies, of the build that the other tests use.
    binaries = [word for name in ("video-local", "video-api", "video-events") for word in ("--bin", name)]
    command = ["cargo", "build", "--quiet", "--locked", "--workspace", "--test", "integration", *binaries]
    subprocess.run(command, cwd=template.ROOT, check=True, timeout=2400, stdin=subprocess.DEVNULL)
    return template.ROOT / "target/debug"


@pytest.fixture(scope="session")
def directory() -> Path:
    return emptied(WORK)


@pytest.fixture(scope="session")
def video(directory) -> bytes:
    file = directory / "video.mp4"
    picture = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30:duration=1"]
    command = ["ffmpeg", "-v", "error", "-y", *picture, "-c:v", "libx264", "-preset", "ultrafast", file]
    subprocess.run(command, check=True, timeout=60, stdin=subprocess.DEVNULL)
    return file.read_bytes()


@pytest.fixture(scope="session")
def local(programs, directory):
    with video_local(programs / "video-local", directory) as local:
        make = clients(local["s3"], local["access_key_id"], local["secret_access_key"])
        for bucket in (MEDIA, OUTPUT):
            make("s3").create_bucket(Bucket=bucket)
        yield local

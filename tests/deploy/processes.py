"""The programs that the tests start and stop: on loopback, on free ports, with bounded waits."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import boto3
import requests
from botocore.config import Config

from tls import TLS, TlsProxy

REGION = "us-east-1"
ACCOUNT = "000000000000"


def eventually(check, what: str, seconds: float = 60, pause: float = 0.25):
    """Waits for `check` to return something true, and returns that."""
    end = time.monotonic() + seconds
    while not (answer := check()):
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(pause)
    return answer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(command: list, log: Path, environment: dict):
    """Runs a program in a process group of its own, so that its children end with it."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True
        )
    try:
        yield process
    finally:
        for ending in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, ending)
            except ProcessLookupError:
                break
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                continue


def clients(endpoint: str, access_key_id: str, secret: str):
    """Makes boto3 clients of one endpoint."""
    session = boto3.Session(aws_access_key_id=access_key_id, aws_secret_access_key=secret)
    session.events.register("before-call", lambda params, **_: params["headers"].update(TLS))
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 2}, read_timeout=30)
    return lambda service, region=REGION: session.client(service, region, endpoint_url=endpoint, config=config)


class Cloud:
    """MiniStack: a local AWS that deploys templates, runs functions and enforces their roles."""

    def __init__(self, port: int, tls: str):
        self.port = port
        self.endpoint = f"http://127.0.0.1:{port}"
        # The same over TLS, as far as MiniStack can tell.
        self.tls = tls
        self.client = clients(self.endpoint, "test", "test")

    def environment(self) -> dict:
        """Returns the environment for AWS's command lines."""
        return {
            **os.environ,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "SAM_CLI_POLL_DELAY": "1",
        }


@contextmanager
def cloud(directory: Path, transcoder: str):
    """Runs MiniStack with the transcoders at `transcoder`. AUTH makes it check every signature and every policy."""
    port = free_port()
    temporary = directory / "tmp"
    temporary.mkdir()
    environment = {
        **os.environ,
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "localhost",
        "IOT_MTLS_ENABLED": "0",
        "AUTH": "true",
        "TMPDIR": str(temporary),
        # A minute and two on AWS.
        "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "1",
        # Functions inherit these.
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ENDPOINT_URL_MEDIACONVERT": transcoder,
        "AWS_ENDPOINT_URL_ELASTIC_TRANSCODER": transcoder,
    }
    command, log = [sys.executable, "-m", "ministack"], directory / "ministack.log"
    with TlsProxy(port) as tls, running(command, log, {**environment, "AWS_ENDPOINT_URL_S3": tls.url}) as process:
        here = Cloud(port, tls.url)

        def answers():
            assert process.poll() is None, log.read_text()
            try:
                return requests.get(f"{here.endpoint}/_ministack/health", timeout=2).ok
            except requests.ConnectionError:
                return False

        eventually(answers, "MiniStack starts", 60)
        yield here


@contextmanager
def video_local(program: Path, directory: Path):
    """Runs the local system, of which the deployment uses the transcoders and their object store."""
    ready = directory / "ready.json"
    command = [program, "--port", "0", "--data-dir", directory / "data", "--ready-file", ready]
    with running(command, directory / "video-local.log", dict(os.environ)) as process:

        def answers():
            assert process.poll() is None, (directory / "video-local.log").read_text()
            return ready.exists() and ready.read_text()

        yield json.loads(eventually(answers, "video-local starts", 60))

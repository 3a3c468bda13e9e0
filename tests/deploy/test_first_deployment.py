"""tests/aws/run, which is for an AWS account, against MiniStack: it runs as it would there."""

import os
import shutil
import subprocess

import pytest

import template
from api_gateway import api_gateway
from deployment import PARAMETERS, QUEUE, WORK, Deployment
from processes import cloud, clients, video_local
from transcoder import Bridge

STACK = "video-first-deployment"


@pytest.fixture(scope="module")
def directory():
    path = WORK / "first"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


@pytest.fixture(scope="module")
def deployment(built, local_program, directory):
    bridge = Bridge()
    try:
        with video_local(local_program, directory) as local, cloud(directory, bridge.url) as here:
            bridge.connect(local, clients(local["s3"], local["access_key_id"], local["secret_access_key"]), here)
            yield Deployment(built, here, bridge, STACK)
    finally:
        bridge.close()


def run(deployment: Deployment, gateway: dict) -> subprocess.CompletedProcess:
    words = ["--template", deployment.built / "template.yaml", "--architecture", PARAMETERS["Architecture"]]
    words += ["--parameter", f"MediaConvertQueueArn={QUEUE}"]
    endpoints = {
        "AWS_ENDPOINT_URL": deployment.cloud.tls,
        "AWS_ENDPOINT_URL_MEDIACONVERT": deployment.bridge.url,
    }
    return subprocess.run(
        [template.ROOT / "tests/aws/run", *words],
        env={**deployment.cloud.environment(), **endpoints, **gateway},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_every_claim_holds_and_nothing_is_left(deployment, directory):
    with api_gateway(deployment.cloud.port, directory, deployment.connect) as gateway:
        told = run(deployment, gateway)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "FAILED" not in told.stdout
    assert deployment.bridge.denied == [] and deployment.bridge.problems == []

    stacks = deployment.client("cloudformation").describe_stacks()["Stacks"]
    assert STACK not in {stack["StackName"] for stack in stacks if stack["StackStatus"] != "DELETE_COMPLETE"}
    assert deployment.client("dynamodb").list_tables()["TableNames"] == []
    assert deployment.client("sqs").list_queues().get("QueueUrls", []) == []
    s3 = deployment.client("s3")
    (sam,) = s3.list_buckets()["Buckets"]
    assert s3.list_object_versions(Bucket=sam["Name"]).get("Versions", []) == []


def test_a_stack_that_exists_is_not_touched(deployment, directory):
    formation = deployment.client("cloudformation")
    formation.create_stack(StackName=STACK, TemplateBody=(template.ROOT / template.NESTED).read_text())
    told = run(deployment, {})
    assert told.returncode == 1 and "exists" in told.stderr, told.stdout + told.stderr
    assert formation.describe_stacks(StackName=STACK)["Stacks"]

"""tests/aws/run, which is for an AWS account, against MiniStack: it runs as it would there."""

import subprocess

import pytest

import template
from api_gateway import ApiGateway
from deployment import PARAMETERS, QUEUE, WORK, Deployment, emptied
from transcoder import local_aws

STACK = "video-first-deployment"


@pytest.fixture(scope="module")
def directory():
    return emptied(WORK / "first")


@pytest.fixture(scope="module")
def deployment(built, local_program, directory):
    with local_aws(local_program, directory) as (here, bridge):
        yield Deployment(built, here, bridge, STACK)


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
    with ApiGateway(deployment.cloud.port, directory, deployment.connect) as gateway:
        told = run(deployment, gateway.environment())
    assert gateway.problems == []
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

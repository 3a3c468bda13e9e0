"""The stack: how it is built, deployed and removed, with all that a removal retains."""

import subprocess
import sys
from pathlib import Path

import boto3
from botocore.exceptions import ClientError

ROOT = Path(__file__).resolve().parents[2]
# What the templates retain when their stack is deleted.
RETAINED = ("AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::DynamoDB::Table")
# What the services say of one that does not exist.
GONE = ("NoSuchBucket", "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "ResourceNotFoundException")


class Stack:
    """A stack of the account and region that the caller's credentials belong to."""

    def __init__(self, name: str, template: Path | None, parameters: list[str]):
        self.name, self.template, self.parameters = name, template, parameters
        self.session = boto3.Session()
        self.region = self.session.region_name
        if not self.region:
            sys.exit("tests/aws/run: no region: set AWS_REGION or `aws configure set region`")
        self.directory = ROOT / "target" / "aws"
        self.directory.mkdir(parents=True, exist_ok=True)

    def client(self, service: str):
        return self.session.client(service, self.region)

    def must_be_new(self):
        """A stack that exists is somebody's, and would be removed at the end."""
        if self._exists(self.name):
            sys.exit(f"tests/aws/run: the stack {self.name} exists; delete it or choose another with --stack")

    def deploy(self):
        if not self.template:
            build = self.directory / "build"
            _sam("build", "--build-dir", build, "--parameter-overrides", *self.parameters)
            self.template = build / "template.yaml"
        _sam(
            *("deploy", "--template-file", self.template, "--config-file", ROOT / "samconfig.toml"),
            *("--stack-name", self.name, "--s3-prefix", self.name, "--no-progressbar"),
            *("--parameter-overrides", *self.parameters),
        )

    def outputs(self) -> dict[str, str]:
        (found,) = self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}

    def remove(self):
        """Deletes the stack, what it retains, and the programs that were uploaded for it."""
        if not self._exists(self.name):
            return
        # A stack whose creation failed lists them, too.
        retained = list(self._retained(self.name))
        formation = self.client("cloudformation")
        formation.delete_stack(StackName=self.name)
        formation.get_waiter("stack_delete_complete").wait(StackName=self.name)
        for kind, name in retained:
            _unless_gone(self._removal(kind), name)
        self._remove_programs()

    def _exists(self, name: str) -> bool:
        try:
            return bool(self.client("cloudformation").describe_stacks(StackName=name)["Stacks"])
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            return False

    def _retained(self, stack: str):
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
        for resource in (resource for page in pages for resource in page["StackResourceSummaries"]):
            kind, name = resource["ResourceType"], resource.get("PhysicalResourceId")
            if name and kind == "AWS::CloudFormation::Stack":
                yield from self._retained(name)
            elif name and kind in RETAINED:
                yield kind, name

    def _removal(self, kind: str):
        return {
            "AWS::S3::Bucket": self._remove_bucket,
            "AWS::SQS::Queue": lambda url: self.client("sqs").delete_queue(QueueUrl=url),
            "AWS::DynamoDB::Table": self._remove_table,
        }[kind]

    def _remove_table(self, name: str):
        dynamodb = self.client("dynamodb")
        dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
        dynamodb.get_waiter("table_exists").wait(TableName=name)
        dynamodb.delete_table(TableName=name)

    def _remove_bucket(self, name: str):
        self._remove_versions(name, "")
        self.client("s3").delete_bucket(Bucket=name)

    def _remove_programs(self):
        """Removes what `sam deploy` uploaded; its bucket stays, since it is the same for all stacks."""
        (sam,) = self.client("cloudformation").describe_stacks(StackName="aws-sam-cli-managed-default")["Stacks"]
        bucket = next(output["OutputValue"] for output in sam["Outputs"] if output["OutputKey"] == "SourceBucket")
        self._remove_versions(bucket, f"{self.name}/")

    def _remove_versions(self, bucket: str, prefix: str):
        s3 = self.client("s3")
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
            versions = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            objects = [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in versions]
            if objects:
                answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
                assert not answer.get("Errors"), answer["Errors"]


def _unless_gone(remove, name: str):
    try:
        remove(name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in GONE:
            raise


def _sam(*words):
    subprocess.run(["sam", *map(str, words)], cwd=ROOT, check=True, timeout=3600, stdin=subprocess.DEVNULL)

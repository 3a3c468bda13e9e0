"""A deployed stack, as its clients and AWS itself use it, on MiniStack."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import requests

import template
from processes import ACCOUNT, REGION, eventually
from transcoder import Bridge

WORK = template.ROOT / "target" / "deploy"
ORIGIN = "https://www.example.com"
# MiniStack cannot create the queue.
QUEUE = f"arn:aws:mediaconvert:{REGION}:{ACCOUNT}:queues/Default"
PARAMETERS = {
    "Architecture": "x86_64" if os.uname().machine == "x86_64" else "arm64",
    "AllowedOrigin": ORIGIN,
    "MediaConvertQueueArn": QUEUE,
}


def command(*words, environment=None, seconds=300) -> str:
    """Runs one of the deployer's programs without a terminal, so that a prompt would fail it."""
    result = subprocess.run(
        [str(word) for word in words],
        cwd=template.ROOT,
        env=environment or os.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-6000:]
    return result.stdout + result.stderr


def emptied(directory: Path) -> Path:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def post(url: str, fields: dict, video: Path, headers: dict | None = None) -> requests.Response:
    return requests.post(url, data=fields, files={"file": video.read_bytes()}, headers=headers, timeout=40)


class Deployment:
    """A stack, and its clients."""

    def __init__(self, built: Path, here, bridge: Bridge, name: str = "video"):
        self.built, self.cloud, self.bridge, self.name = built, here, bridge, name
        self.client = here.client

    def deploy(self, **parameters) -> str:
        chosen = {**PARAMETERS, **parameters}
        overrides = [f'{name}="{value}"' for name, value in chosen.items()]
        file = self.built / "template.yaml"
        config = template.ROOT / "samconfig.toml"
        told = command(
            "sam",
            "deploy",
            "--template-file",
            file,
            "--config-file",
            config,
            "--parameter-overrides",
            *overrides,
            environment=self.cloud.environment(),
        )
        self.connect()
        return told

    def connect(self):
        """Supplies what MiniStack lacks of the deployed stack: the API's routes and the transcoder."""
        self.outputs = self.outputs_of(self.name)
        self.create_routes()
        self.bridge.use(self.role("EventsRole"), self.media, self.output, self.report)

    def outputs_of(self, stack: str) -> dict:
        (found,) = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}

    def physical(self, name: str) -> str:
        answer = self.client("cloudformation").describe_stack_resource(StackName=self.name, LogicalResourceId=name)
        return answer["StackResourceDetail"]["PhysicalResourceId"]

    def role(self, name: str) -> str:
        return self.client("iam").get_role(RoleName=self.physical(name))["Role"]["Arn"]

    def create_routes(self):
        """Creates the HTTP API's routes from the processed template: MiniStack ignores its OpenAPI body."""
        answer = self.client("cloudformation").get_template(StackName=self.name, TemplateStage="Processed")
        body = answer["TemplateBody"]
        processed = body if isinstance(body, dict) else json.loads(body)
        gateway, api = self.client("apigatewayv2"), self.physical("HttpApi")
        present = {route["RouteKey"] for route in gateway.get_routes(ApiId=api)["Items"]}
        for path, methods in processed["Resources"]["HttpApi"]["Properties"]["Body"]["paths"].items():
            route = path.removeprefix("/") if path == "/$default" else f"ANY {path}"
            if route in present:
                continue
            integration = methods["x-amazon-apigateway-any-method"]["x-amazon-apigateway-integration"]
            function = integration["uri"]["Fn::Sub"].split("/functions/${")[1].split(".Arn}")[0]
            made = gateway.create_integration(
                ApiId=api,
                IntegrationType="AWS_PROXY",
                IntegrationUri=self.function_arn(function),
                PayloadFormatVersion=integration["payloadFormatVersion"],
            )
            gateway.create_route(ApiId=api, RouteKey=route, Target=f"integrations/{made['IntegrationId']}")

    def function_arn(self, name: str) -> str:
        return self.client("lambda").get_function(FunctionName=self.physical(name))["Configuration"]["FunctionArn"]

    @property
    def media(self) -> str:
        return self.outputs["MediaBucketName"]

    @property
    def output(self) -> str:
        return self.outputs["OutputBucketName"]

    # ---- As a client ----

    def request(self, method: str, path: str, **options) -> requests.Response:
        host = f"{self.physical('HttpApi')}.execute-api.localhost:{self.cloud.port}"
        headers = {"Host": host, **options.pop("headers", {})}
        return requests.request(method, self.cloud.endpoint + path, headers=headers, timeout=40, **options)

    def get(self, path: str, **options) -> requests.Response:
        return self.request("GET", path, **options)

    def as_admin(self, method: str, path: str, **parameters) -> requests.Response:
        return self.request(method, path, params=parameters, auth=self.login())

    def login(self) -> tuple[str, str]:
        answer = self.client("secretsmanager").get_secret_value(SecretId=self.outputs["AdminSecretArn"])
        secret = json.loads(answer["SecretString"])
        return secret["username"], secret["password"]

    def upload(self, video: Path, mail: str, project: str = "Alba", kind: str = "video/webm") -> str:
        """Requests a form and posts the video with it, as a browser does; returns the key."""
        form = self.get(f"/presignedurl/{project}/0/", params={"mail": mail, "type": kind}, headers={"Origin": ORIGIN})
        assert form.status_code == 200, form.text
        assert form.headers["Access-Control-Allow-Origin"] == ORIGIN
        form = form.json()
        posted = post(form["url"], form["fields"], video)
        assert posted.status_code == 201, posted.text
        return form["fields"]["key"]

    def records(self, **filters) -> list[dict]:
        answer = self.as_admin("GET", "/videos/", **filters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def record(self, mail: str) -> dict:
        (record,) = self.records(mail=mail)
        return record

    def eventually(self, mail: str, status: str, seconds: float = 60) -> dict:
        def reached():
            assert not self.bridge.problems, self.bridge.problems
            assert not self.bridge.denied, self.bridge.denied
            record = self.record(mail)
            return record if record["status"] == status else None

        return eventually(reached, f"the video of {mail} is {status}", seconds)

    def versions(self, *keys: str) -> list[dict]:
        """Returns every version and delete marker of these uploads and of all their results."""
        found = []
        for stem in [key.rsplit(".", 1)[0] for key in keys]:
            for bucket, prefix in ((self.media, stem), (self.output, f"output/web/{stem}")):
                listed = self.client("s3").list_object_versions(Bucket=bucket, Prefix=prefix)
                found += listed.get("Versions", []) + listed.get("DeleteMarkers", [])
        return found

    def items(self) -> list[dict]:
        """Returns the whole table, tombstones included."""
        return self.client("dynamodb").scan(TableName=self.outputs["TableName"], ConsistentRead=True)["Items"]

    def lease_end(self, mail: str) -> int:
        """Returns the end of the lease in epoch seconds; 0 if there is none."""
        key = {"ProjectStep": {"S": "Alba-0"}, "Mail": {"S": mail}}
        item = self.client("dynamodb").get_item(TableName=self.outputs["TableName"], Key=key)["Item"]
        return int(item.get("leaseUntil", {"N": "0"})["N"])

    def dead_letters(self) -> list[dict]:
        answer = self.client("sqs").receive_message(
            QueueUrl=self.outputs["DeadLettersUrl"], MaxNumberOfMessages=10, VisibilityTimeout=0, WaitTimeSeconds=0
        )
        return answer.get("Messages", [])

    # ---- As AWS ----

    def report(self, transcoder: str, told: dict):
        """Reports the end of a job the way AWS does."""
        if transcoder == "elastictranscoder":
            self.client("sns").publish(TopicArn=self.topic, Message=json.dumps(told))
            return
        # Only AWS may put `aws.` events onto a bus: the rule's pattern is tested and its targets are invoked directly.
        events = self.client("events")
        name = self.physical("MediaConvertRule")
        pattern = events.describe_rule(Name=name.rsplit("|", 1)[-1])["EventPattern"]
        assert events.test_event_pattern(EventPattern=pattern, Event=json.dumps(told))["Result"]
        for target in events.list_targets_by_rule(Rule=name.rsplit("|", 1)[-1])["Targets"]:
            answer = self.client("lambda").invoke(
                FunctionName=target["Arn"], InvocationType="Event", Payload=json.dumps(told)
            )
            assert answer["StatusCode"] == 202

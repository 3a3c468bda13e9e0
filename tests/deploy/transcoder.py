"""The transcoders of the deployment: video-local's, with the part of AWS between them and the deployment.

MiniStack has neither Elastic Transcoder nor MediaConvert; video-local has both, with an object store of its own. This
connects the two: it asks IAM whether the caller is allowed to, copies the job's input over and its result back, and
reports the end of a job.
"""

import json
import threading
from contextlib import contextmanager
from pathlib import Path

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from processes import REGION, clients, cloud, eventually, video_local
from server import Answer, Request, Server

MEDIACONVERT, ELASTIC_TRANSCODER = "/2017-08-29", "/2012-09-25"


class Bridge(Server):
    """Listens at once, since functions get its address when MiniStack starts; works after `connect_to`."""

    def __init__(self):
        self.outage = False
        self.rejecting = False
        self.denied: list[str] = []
        super().__init__()

    def connect_to(self, local: dict, local_client, cloud):
        self._local, self._local_client, self._cloud = local, local_client, cloud

    def use(self, role: str, media: str, output: str, report):
        """Sets the role that callers have; `report(kind, job)` is called with every job that has ended."""
        self._role, self._media, self._output, self._report = role, media, output, report
        store = self._local_client("s3")
        present = {bucket["Name"] for bucket in store.list_buckets()["Buckets"]}
        for bucket in {media, output} - present:
            store.create_bucket(Bucket=bucket)

    def create_pipeline(self, media: str, output: str, role: str, topic: str) -> str:
        """Creates it with plain HTTP, as docs/DEPLOY.md does: current SDKs no longer know the service."""
        pipeline = {
            "Name": "video",
            "InputBucket": media,
            "OutputBucket": output,
            "Role": role,
            "Notifications": dict.fromkeys(["Progressing", "Completed", "Warning", "Error"], topic),
        }
        answer = self._forward("POST", f"{ELASTIC_TRANSCODER}/pipelines", json.dumps(pipeline).encode())
        assert answer.status_code == 201, answer.text
        return answer.json()["Pipeline"]["Id"]

    def _is_allowed(self, action: str, resource: str) -> bool:
        iam = self._cloud.client("iam")
        if action == "iam:PassRole":
            # MiniStack's simulator ignores the context, on which this permission depends.
            name = self._role.rsplit("/", 1)[1]
            names = iam.list_role_policies(RoleName=name)["PolicyNames"]
            policies = [iam.get_role_policy(RoleName=name, PolicyName=policy) for policy in names]
            return any(
                (statement["Action"], statement["Resource"]) == (action, resource)
                and statement["Condition"] == {"StringEquals": {"iam:PassedToService": "mediaconvert.amazonaws.com"}}
                for policy in policies
                for statement in policy["PolicyDocument"]["Statement"]
            )
        answer = iam.simulate_principal_policy(
            PolicySourceArn=self._role, ActionNames=[action], ResourceArns=[resource]
        )
        return answer["EvaluationResults"][0]["EvalDecision"] == "allowed"

    def _authorize(self, method: str, path: str, body: dict) -> bool:
        needed = list(self._permissions(method, path.split("?")[0], body))
        refused = [f"{action} on {resource}" for action, resource in needed if not self._is_allowed(action, resource)]
        self.denied += refused
        return bool(needed) and not refused

    def _permissions(self, method: str, path: str, body: dict):
        """Yields the permissions that AWS checks: "Actions, resources, and condition keys" of each service."""
        mediaconvert = f"arn:aws:mediaconvert:{REGION}:000000000000:"
        elastic = f"arn:aws:elastictranscoder:{REGION}:000000000000:"
        match method, path.split("/")[1:]:
            case "POST", ["2017-08-29", "jobs"]:
                yield "mediaconvert:CreateJob", body.get("queue", mediaconvert + "queues/Default")
                yield "iam:PassRole", body["role"]
            case "GET", ["2017-08-29", "jobs"]:
                yield "mediaconvert:ListJobs", mediaconvert + "queues/Default"
            case "GET", ["2017-08-29", "search"]:
                yield "mediaconvert:SearchJobs", mediaconvert + "queues/Default"
            case "GET", ["2017-08-29", "jobs", job]:
                yield "mediaconvert:GetJob", mediaconvert + f"jobs/{job}"
            case "DELETE", ["2017-08-29", "jobs", job]:
                yield "mediaconvert:CancelJob", mediaconvert + f"jobs/{job}"
            case "POST", ["2012-09-25", "jobs"]:
                yield "elastictranscoder:CreateJob", elastic + f"pipeline/{body['PipelineId']}"
                for output in body["Outputs"]:
                    yield "elastictranscoder:CreateJob", elastic + f"preset/{output['PresetId']}"
            case "GET", ["2012-09-25", "jobsByPipeline", pipeline]:
                yield "elastictranscoder:ListJobsByPipeline", elastic + f"pipeline/{pipeline}"
            case "GET", ["2012-09-25", "jobs", job]:
                yield "elastictranscoder:ReadJob", elastic + f"job/{job}"
            case "DELETE", ["2012-09-25", "jobs", job]:
                yield "elastictranscoder:CancelJob", elastic + f"job/{job}"

    def _input_key(self, path: str, body: dict) -> str:
        if path.startswith(ELASTIC_TRANSCODER):
            return body["Input"]["Key"]
        return body["settings"]["inputs"][0]["fileInput"].removeprefix(f"s3://{self._media}/")

    def _forward(self, method: str, path: str, body: bytes):
        """Forwards it with a new signature: video-local knows its own key only."""
        service = "elastictranscoder" if path.startswith(ELASTIC_TRANSCODER) else "mediaconvert"
        request = AWSRequest(method, self._local["transcoder"] + path, {"Content-Type": "application/json"}, body)
        credentials = Credentials(self._local["access_key_id"], self._local["secret_access_key"])
        SigV4Auth(credentials, service, REGION).add_auth(request)
        return requests.request(method, request.url, headers=dict(request.headers), data=body, timeout=30)

    def answer(self, request: Request) -> Answer:
        method, path, raw = request.method, request.path, request.body
        body = json.loads(raw) if raw else {}
        if self.outage:
            return _refusal(503, "ServiceUnavailableException", "The service is unavailable")
        if not self._authorize(method, path, body):
            return _refusal(403, "AccessDeniedException", "User is not authorized to perform this action")
        created = method == "POST" and path.endswith("/jobs")
        if created and self.rejecting:
            return _refusal(400, "BadRequestException", "The job is not valid")
        if created:
            _copy(self._cloud.client("s3"), self._local_client("s3"), self._media, self._input_key(path, body))
        answer = self._forward(method, path, raw)
        if created and answer.status_code == 201:
            threading.Thread(target=self._watch, args=(path, answer.json()), daemon=True).start()
        return answer.status_code, list(answer.headers.items()), answer.content

    def _watch(self, path: str, answer: dict):
        try:
            if path.startswith(ELASTIC_TRANSCODER):
                self._watch_elastic_transcoder(answer["Job"]["Id"])
            else:
                self._watch_mediaconvert(answer["job"]["id"])
        except Exception as error:  # A thread's failure would go unnoticed.
            self.problems.append(repr(error))

    def _watch_mediaconvert(self, number: str):
        def ended():
            job = self._forward("GET", f"{MEDIACONVERT}/jobs/{number}", b"").json()["job"]
            return job["status"] in ("COMPLETE", "ERROR", "CANCELED") and job

        job = eventually(ended, f"job {number} ends", 120)
        groups = job["settings"]["outputGroups"] if job["status"] == "COMPLETE" else []
        results = [self._results_of(group) for group in groups]
        for key in (key for keys in results for key in keys):
            _copy(self._local_client("s3"), self._cloud.client("s3"), self._output, key)
        # Of many frames, AWS names the last one.
        paths = [f"s3://{self._output}/{keys[-1]}" for keys in results if keys]
        self._report("mediaconvert", mediaconvert_event(job, paths))

    def _results_of(self, group: dict) -> list[str]:
        """Returns the keys of what a job has made of an output group."""
        output, settings = group["outputs"][0], group["outputGroupSettings"]["fileGroupSettings"]
        prefix = settings["destination"].removeprefix(f"s3://{self._output}/") + output.get("nameModifier", "")
        listed = self._local_client("s3").list_objects_v2(Bucket=self._output, Prefix=prefix)
        is_picture = output["containerSettings"]["container"] == "RAW"
        keys = sorted(found["Key"] for found in listed.get("Contents", []))
        return [key for key in keys if key.endswith((".jpg", ".png")) == is_picture]

    def _watch_elastic_transcoder(self, number: str):
        def ended():
            job = self._forward("GET", f"{ELASTIC_TRANSCODER}/jobs/{number}", b"").json()["Job"]
            return job["Status"] in ("Complete", "Error", "Canceled") and job

        job = eventually(ended, f"job {number} ends", 120)
        if job["Status"] == "Complete":
            key = job["OutputKeyPrefix"] + job["Outputs"][0]["Key"]
            _copy(self._local_client("s3"), self._cloud.client("s3"), self._output, key)
        self._report("elastictranscoder", elastic_transcoder_notification(job))


@contextmanager
def local_aws(program: Path, directory: Path):
    """Runs MiniStack, and the local system for its transcoders; yields both and what connects them."""
    with Bridge() as bridge, video_local(program, directory) as local, cloud(directory, bridge.url) as here:
        make = clients(local["s3"], local["access_key_id"], local["secret_access_key"])
        bridge.connect_to(local, make, here)
        yield here, bridge


def _refusal(status: int, kind: str, message: str) -> Answer:
    headers = [("content-type", "application/json"), ("x-amzn-errortype", kind)]
    return status, headers, json.dumps({"message": message}).encode()


def _copy(source, target, bucket: str, key: str):
    found = source.get_object(Bucket=bucket, Key=key)
    target.put_object(Bucket=bucket, Key=key, Body=found["Body"].read(), ContentType=found["ContentType"])


def mediaconvert_event(job: dict, paths: list[str]) -> dict:
    """As docs.aws.amazon.com/mediaconvert/latest/ug/mediaconvert_cwe_events.html shows it."""
    detail = {
        "timestamp": job["createdAt"] * 1000,
        "accountId": "000000000000",
        "queue": job["queue"],
        "jobId": job["id"],
        "status": job["status"],
        "userMetadata": job["userMetadata"],
    }
    if job["status"] == "COMPLETE":
        # GetJob tells the same of each group but for its files.
        detail["outputGroupDetails"] = [
            {"type": "FILE_GROUP", "outputDetails": [{**group["outputDetails"][0], "outputFilePaths": [path]}]}
            for group, path in zip(job["outputGroupDetails"], paths)
        ]
    else:
        detail |= {"errorCode": job.get("errorCode"), "errorMessage": job.get("errorMessage")}
    return {
        "version": "0",
        "id": job["id"],
        "detail-type": "MediaConvert Job State Change",
        "source": "aws.mediaconvert",
        "account": "000000000000",
        "time": "2026-01-01T00:00:00Z",
        "region": REGION,
        "resources": [job["arn"]],
        "detail": detail,
    }


def elastic_transcoder_notification(job: dict) -> dict:
    """As docs.aws.amazon.com/elastictranscoder/latest/developerguide/notifications.html shows it."""
    output = job["Outputs"][0]
    return {
        "state": {"Complete": "COMPLETED", "Error": "ERROR"}[job["Status"]],
        "version": "2012-09-25",
        "jobId": job["Id"],
        "pipelineId": job["PipelineId"],
        "input": {"key": job["Input"]["Key"]},
        "outputKeyPrefix": job["OutputKeyPrefix"],
        "outputs": [
            {
                "id": output["Id"],
                "presetId": output["PresetId"],
                "key": output["Key"],
                "status": output["Status"],
                "statusDetail": output.get("StatusDetail"),
            }
        ],
        "userMetadata": job["UserMetadata"],
    }

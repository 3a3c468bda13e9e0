"""The deployed system as its clients and operators use it."""

import json
import time
from dataclasses import dataclass

import requests

from stack import Stack
from videos import Video

PROJECT, STEP = "Alba", "0"
# Less than the 8 MiB of the upload page, so that a small file has two.
PART_BYTES = 5 * 1024 * 1024
RESULT_SECONDS = 600


@dataclass
class Upload:
    """A video that was uploaded, and what became of it."""

    video: Video
    key: str
    record: dict | None = None

    @property
    def is_ready(self) -> bool:
        return bool(self.record) and self.record["status"] == "ready"


class System:
    """What the stack's outputs name."""

    def __init__(self, stack: Stack):
        self.stack, self.client = stack, stack.client
        self.outputs = stack.outputs()
        self.uploads: list[Upload] = []

    # ---- As a client ----

    def request(self, method: str, path: str, **options) -> requests.Response:
        return requests.request(method, self.outputs["ApiUrl"] + path, timeout=40, **options)

    def as_admin(self, method: str, path: str, **parameters) -> requests.Response:
        return self.request(method, path, params=parameters, auth=self.login())

    def login(self) -> tuple[str, str]:
        answer = self.client("secretsmanager").get_secret_value(SecretId=self.outputs["AdminSecretArn"])
        secret = json.loads(answer["SecretString"])
        return secret["username"], secret["password"]

    def form(self, video: Video, project: str = PROJECT) -> dict:
        """Requests a form; `project` is written into the path as it is."""
        parameters = {"mail": video.mail, "type": video.kind}
        return _json(self.request("GET", f"/presignedurl/{project}/{STEP}", params=parameters))

    def upload(self, video: Video):
        key = self._upload_parts(video) if video.in_parts else self._post_form(video)
        self.uploads.append(Upload(video, key))

    def _post_form(self, video: Video) -> str:
        form = self.form(video)
        files = {"file": video.file.read_bytes()}
        posted = requests.post(form["url"], data=form["fields"], files=files, timeout=120)
        assert posted.status_code == 201, posted.text
        return form["fields"]["key"]

    def _upload_parts(self, video: Video) -> str:
        content = video.file.read_bytes()
        parts = [content[start : start + PART_BYTES] for start in range(0, len(content), PART_BYTES)]
        assert len(parts) > 1, f"{video.file} is too small"
        metadata = {"mail": video.mail, "project": PROJECT, "step": STEP}
        begin = {"filename": video.file.name, "type": video.kind, "metadata": metadata}
        upload = _json(self.request("POST", "/s3/multipart", json=begin))
        path, key = f"/s3/multipart/{upload['uploadId']}", {"key": upload["key"]}
        sent = []
        for number, part in enumerate(parts, 1):
            link = _json(self.request("GET", f"{path}/{number}", params={**key, "size": len(part)}))
            put = requests.put(link["url"], data=part, timeout=120)
            assert put.status_code == 200, put.text
            sent.append({"PartNumber": number, "ETag": put.headers["ETag"]})
        _json(self.request("POST", f"{path}/complete", params=key, json={"parts": sent}))
        return upload["key"]

    def records(self, **filters) -> list[dict]:
        return _json(self.as_admin("GET", "/videos", **filters))

    def record(self, video: Video) -> dict:
        (record,) = self.records(mail=video.mail)
        return record

    def wait_for_results(self):
        """Waits until every video is ready or failed; one that takes too long keeps the record that it has."""
        end = time.monotonic() + RESULT_SECONDS
        waiting = list(self.uploads)
        while waiting and time.monotonic() < end:
            time.sleep(2)
            for upload in waiting:
                upload.record = self.record(upload.video)
            waiting = [upload for upload in waiting if upload.record["status"] not in ("ready", "failed")]

    # ---- As an operator ----

    def versions(self, key: str) -> list[str]:
        """Returns the keys of all versions of an upload and of its results."""
        stem, s3 = key.rsplit(".", 1)[0], self.client("s3")
        media, output = self.outputs["MediaBucketName"], self.outputs["OutputBucketName"]
        found = []
        for bucket, prefix in ((media, stem), (output, f"output/web/{stem}")):
            listed = s3.list_object_versions(Bucket=bucket, Prefix=prefix)
            found += [version["Key"] for version in listed.get("Versions", []) + listed.get("DeleteMarkers", [])]
        return found

    def logs(self) -> list[str]:
        """Returns every line that both functions and the API's access log have written."""
        name = self.stack.name
        groups = [f"/aws/lambda/{name}-api", f"/aws/lambda/{name}-events", f"/aws/vendedlogs/{name}/access"]
        pages = self.client("logs").get_paginator("filter_log_events")
        found = (page["events"] for group in groups for page in pages.paginate(logGroupName=group))
        return [event["message"] for events in found for event in events]

    def dead_letters(self) -> int:
        attributes = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        queue = {"QueueUrl": self.outputs["DeadLettersUrl"], "AttributeNames": attributes}
        return sum(map(int, self.client("sqs").get_queue_attributes(**queue)["Attributes"].values()))


def _json(response: requests.Response):
    request = f"{response.request.method} {response.url.split('?')[0]}"
    assert response.ok, f"{request}: {response.status_code} {response.text}"
    return response.json()

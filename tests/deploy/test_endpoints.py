"""AWS's own SDK for Python, with validation, drives the local endpoints, and every answer is what AWS's models say."""

import json

import botocore.session
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError

from models import loader, resolve
from permissions import ROLE
from processes import REGION, eventually

SERVICES = {"mediaconvert": "transcoder", "elastictranscoder": "transcoder", "events": "eventbridge", "s3": "s3"}
BUCKETS = {"InputBucket": "videos-media", "OutputBucket": "videos-output"}
WEB_PRESET = "1351620000001-100070"


@pytest.fixture
def client(local):
    """Makes clients whose every exchange is checked against the service's model."""
    session = botocore.session.get_session()
    session.set_credentials(local["access_key_id"], local["secret_access_key"])
    session.register_component("data_loader", loader())
    contradictions = []

    def make(name: str):
        config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
        made = session.create_client(name, REGION, endpoint_url=local[SERVICES[name]], config=config)
        if name != "s3":  # XML, which botocore's parser itself reads.
            made.meta.events.register("before-send", lambda request, **_: sent.append(request))
            made.meta.events.register("response-received", received)
        return made

    sent = []

    def received(response_dict, **_):
        request = sent.pop()
        headers = {name.lower(): value for name, value in request.headers.items()}
        headers = {name: value.decode() if isinstance(value, bytes) else value for name, value in headers.items()}
        service = headers["authorization"].split("/")[3]
        url = request.url.split("/", 3)[-1]
        operation = resolve(service, request.method, f"/{url}", headers, request.body or b"")
        contradictions.extend(
            operation.contradictions_of_response(
                response_dict["status_code"],
                {name.lower(): value for name, value in response_dict["headers"].items()},
                response_dict["body"],
            )
        )

    yield make
    assert contradictions == []


def refused(code: str, call, **parameters):
    with pytest.raises(ClientError) as error:
        call(**parameters)
    assert error.value.response["Error"]["Code"] == code
    assert error.value.response["Error"]["Message"]


def mediaconvert_job(key: str) -> dict:
    output = {"ContainerSettings": {"Container": "MP4"}}
    destination = {"Destination": f"s3://videos-output/output/web/{key}"}
    group = {"Type": "FILE_GROUP_SETTINGS", "FileGroupSettings": destination}
    return {
        "Role": ROLE,
        "UserMetadata": {"token": key},
        "Settings": {
            "Inputs": [{"FileInput": f"s3://videos-media/{key}"}],
            "OutputGroups": [{"OutputGroupSettings": group, "Outputs": [output]}],
        },
    }


def test_mediaconvert(client, video):
    jobs = client("mediaconvert")
    client("s3").put_object(Bucket="videos-media", Key="endpoints/mediaconvert.bin", Body=video)
    created = jobs.create_job(**mediaconvert_job("endpoints/mediaconvert.bin"))["Job"]

    def ended():
        job = jobs.get_job(Id=created["Id"])["Job"]
        return job if job["Status"] in ("COMPLETE", "ERROR") else None

    job = eventually(ended, "the job ends")
    assert (job["Status"], job["OutputGroupDetails"][0]["OutputDetails"][0]["VideoDetails"]["WidthInPx"]) == (
        "COMPLETE",
        320,
    )
    (listed, *_) = jobs.list_jobs(Order="DESCENDING", MaxResults=20, Queue=created["Queue"], Status="COMPLETE")["Jobs"]
    assert listed["Id"] == created["Id"]
    failing = jobs.create_job(**mediaconvert_job("endpoints/missing.bin"))["Job"]
    eventually(lambda: jobs.get_job(Id=failing["Id"])["Job"].get("ErrorCode"), "the job fails")

    refused("NotFoundException", jobs.get_job, Id="1-missing")
    refused("NotFoundException", jobs.cancel_job, Id="1-missing")
    refused("ConflictException", jobs.cancel_job, Id=created["Id"])
    refused("NotFoundException", jobs.create_job, **mediaconvert_job("x"), Queue="missing")
    refused("BadRequestException", jobs.create_job, Role=ROLE, Settings={})
    refused("BadRequestException", jobs.list_jobs, MaxResults=21)
    with pytest.raises(ParamValidationError):
        jobs.create_job(Settings={})


def test_elastic_transcoder(client, video):
    jobs = client("elastictranscoder")
    topic = f"arn:aws:sns:{REGION}:000000000000:topic"
    notifications = dict.fromkeys(["Progressing", "Completed", "Warning", "Error"], topic)
    made = jobs.create_pipeline(Name="endpoints", Role=ROLE, Notifications=notifications, **BUCKETS)
    pipeline = made["Pipeline"]["Id"]
    assert jobs.read_pipeline(Id=pipeline)["Pipeline"]["Name"] == "endpoints"
    assert pipeline in {one["Id"] for one in jobs.list_pipelines()["Pipelines"]}

    def create(key: str):
        outputs = [{"Key": f"web/{key}", "PresetId": WEB_PRESET}]
        job = {"PipelineId": pipeline, "Input": {"Key": key}, "OutputKeyPrefix": "output/", "Outputs": outputs}
        return jobs.create_job(**job, UserMetadata={"token": key})["Job"]

    def ended(number: str):
        job = jobs.read_job(Id=number)["Job"]
        return job if job["Status"] in ("Complete", "Error") else None

    client("s3").put_object(Bucket="videos-media", Key="endpoints/elastic.bin", Body=video)
    first = eventually(lambda: ended(create("endpoints/elastic.bin")["Id"]), "the job ends")
    assert first["Status"] in ("Complete", "Error")
    failing = create("endpoints/missing.bin")["Id"]
    assert eventually(lambda: ended(failing), "the job fails")["Output"]["StatusDetail"].startswith("3001")
    listed = jobs.list_jobs_by_pipeline(PipelineId=pipeline, Ascending="false")["Jobs"]
    assert {failing, first["Id"]} <= {job["Id"] for job in listed}

    refused("ResourceNotFoundException", jobs.read_job, Id="1111111111111-abcde1")
    refused("ResourceInUseException", jobs.cancel_job, Id=failing)
    refused("ResourceNotFoundException", jobs.list_jobs_by_pipeline, PipelineId="1111111111111-abcde1")
    refused("ValidationException", jobs.create_job, PipelineId=pipeline, Input={"Key": "x"})


def test_eventbridge(client):
    bus = client("events")
    entry = {"Source": "video", "DetailType": "Video Ready", "Detail": json.dumps({"video": "x"})}
    put = bus.put_events(Entries=[entry, {**entry, "Detail": "{"}, {**entry, "Source": "aws.s3"}])
    assert put["FailedEntryCount"] == 2 and put["Entries"][0]["EventId"]
    assert [entry.get("ErrorCode") for entry in put["Entries"][1:]] == [
        "MalformedDetail",
        "NotAuthorizedForSourceException",
    ]
    refused("ValidationException", bus.put_events, Entries=[{**entry, "Detail": json.dumps({"x": "x" * 300_000})}])
    with pytest.raises(ParamValidationError):
        bus.put_events(Entries=[])


def test_s3(client, local):
    store, bucket, key = client("s3"), "videos-media", "endpoints/a b+ü.bin"
    store.put_object(Bucket=bucket, Key=key, Body=b"first")
    store.put_object(Bucket=bucket, Key=key, Body=b"second", ContentType="video/webm")
    assert store.head_object(Bucket=bucket, Key=key)["ContentLength"] == 6
    assert store.get_object(Bucket=bucket, Key=key, Range="bytes=0-2")["Body"].read() == b"sec"
    listed = store.list_objects_v2(Bucket=bucket, Prefix="endpoints/a", MaxKeys=1)
    assert [one["Key"] for one in listed["Contents"]] == [key]

    upload = store.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    assert [one["UploadId"] for one in store.list_multipart_uploads(Bucket=bucket, Prefix=key)["Uploads"]] == [upload]
    part = store.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"third")
    parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
    store.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    second = store.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    store.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=second)
    refused("NoSuchUpload", store.abort_multipart_upload, Bucket=bucket, Key=key, UploadId=second)

    # The local buckets are not versioned: each object has the version `null`.
    (version,) = store.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]
    named = {"Key": version["Key"], "VersionId": version["VersionId"]}
    assert named == {"Key": key, "VersionId": "null"}
    assert store.delete_objects(Bucket=bucket, Delete={"Objects": [named]})["Deleted"] == [named]
    refused("NoSuchKey", store.get_object, Bucket=bucket, Key=key)
    store.delete_object(Bucket=bucket, Key=key)
    refused("NoSuchBucket", store.list_objects_v2, Bucket="missing")

    form = store.generate_presigned_post(bucket, key, Conditions=[["content-length-range", 1, 10]], ExpiresIn=60)
    assert requests.post(form["url"], data=form["fields"], files={"file": b"posted"}, timeout=10).ok
    refused_form = requests.post(form["url"], data=form["fields"], files={"file": b"x" * 11}, timeout=10)
    assert (refused_form.status_code, "EntityTooLarge" in refused_form.text) == (400, True)
    link = store.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=60)
    assert requests.get(link, timeout=10).content == b"posted"

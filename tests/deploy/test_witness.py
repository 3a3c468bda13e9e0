"""A witness that no one here wrote: AWS's own models of its services, and its own reference of permissions.

Both functions run as programs, through whole flows on the local system and with both transcoders. Every request that
they send is resolved to the operation that it calls and checked against the service's model, with the response of our
own endpoints, and against what the function's role allows in template.yaml.
"""

import base64
import json
import os
import time
from urllib.parse import quote, urlencode

import pytest
import requests

import template
from deployment import QUEUE
from models import resolve
from permissions import MEDIA, OUTPUT, ROLE, Resolver, is_allowed, needed, unknown_to_aws
from processes import REGION, clients, eventually
from recorder import Recorder
from runtime import FunctionError, function
from transcoder import Bridge, elastic_transcoder_notification, mediaconvert_event

FIXTURES = template.ROOT / "crates/events/fixtures"
LOGIN = {"username": "admin", "password": "a-password-of-the-test"}
TRANSCODERS = ["mediaconvert", "elastictranscoder"]
# What no function calls itself, and who needs it.
NOT_CALLED = {
    "mediaconvert:ListJobs": "the job of a key of over 300 characters, which no form has, is searched for in the list",
    "logs:CreateLogStream": "Lambda writes the function's log with the function's role",
    "logs:PutLogEvents": "Lambda writes the function's log with the function's role",
    "sqs:SendMessage": "Lambda writes dead letters with the function's role",
}
MONTH = 31 * 86400


def fixture(name: str) -> dict:
    return json.loads((FIXTURES / f"{name}.json").read_text())


class System:
    """Both functions on the local system, with a table and buckets of their own, named as the template names them."""

    def __init__(self, transcoder: str, local: dict, api, events, recorders):
        self.transcoder, self.api, self.events, self.recorders = transcoder, api, events, recorders
        make = lambda endpoint: clients(local[endpoint], local["access_key_id"], local["secret_access_key"])
        self.s3, self.dynamodb = make("s3")("s3"), make("dynamodb")("dynamodb")
        self.jobs = Bridge()
        self.jobs.connect_to(local, None, None)
        self.uploads = 0

    @property
    def calls(self):
        return [call for recorder in self.recorders for call in recorder.calls]

    # ---- As a client ----

    def request(self, method: str, path: str, login=True, body=None, **query):
        """Invokes the API as API Gateway does, and returns status and body."""
        event = json.loads((template.ROOT / "tests/fixtures/http_api_v2.json").read_text())
        credentials = base64.b64encode(f"{LOGIN['username']}:{LOGIN['password']}".encode()).decode()
        event |= {"rawPath": path, "rawQueryString": urlencode(query), "queryStringParameters": query}
        event["requestContext"]["http"] |= {"method": method, "path": path}
        event["headers"] |= {"authorization": f"Basic {credentials}"} if login else {}
        if body is not None:
            event |= {"body": json.dumps(body)}
            event["headers"] |= {"content-type": "application/json"}
        answer = self.api.invoke(event)
        return answer["statusCode"], json.loads(answer["body"])

    def upload(self, mail: str, video: bytes) -> str:
        path = f"/presignedurl/{self.transcoder}/0"
        status, form = self.request("GET", path, login=False, mail=mail, type="video/mp4")
        assert status == 200, form
        posted = requests.post(form["url"], data=form["fields"], files={"file": video}, timeout=30)
        assert posted.status_code == 201, posted.text
        return form["fields"]["key"]

    def record(self, mail: str) -> dict:
        status, records = self.request("GET", "/videos", mail=mail)
        assert status == 200, records
        return records[0]

    # ---- As AWS ----

    def uploaded(self, key: str):
        self.uploads += 1
        event = fixture("s3_object_created")
        record = event["Records"][0]
        record["eventTime"] = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        record["s3"]["bucket"]["name"] = MEDIA
        record["s3"]["object"] |= {"key": quote(key), "sequencer": f"{self.uploads:018X}"}
        return self.events.invoke(event)

    def requested(self, kind: str, key: str):
        project, step, _ = key.split("/")
        detail = {"project": project, "step": step, "video": key}
        return self.events.invoke({"source": "video", "detail-type": kind, "detail": detail})

    def is_handled(self, kind: str, key: str) -> bool:
        try:
            self.requested(kind, key)
        except FunctionError:
            return False
        return True

    def job_changed(self, mail: str):
        """Waits for the end of a video's job and reports it."""
        number = self.record(mail)["jobId"]
        is_mediaconvert = self.transcoder == "mediaconvert"
        path = f"/2017-08-29/jobs/{number}" if is_mediaconvert else f"/2012-09-25/jobs/{number}"

        def ended():
            told = self.jobs._forward("GET", path, b"").json()
            job = told["job" if is_mediaconvert else "Job"]
            return job if job.get("status", job.get("Status")).upper() in ("COMPLETE", "ERROR") else None

        job = eventually(ended, "the job ends", 60)
        if is_mediaconvert:
            group = job["settings"]["outputGroups"][0]["outputGroupSettings"]["fileGroupSettings"]
            return self.events.invoke(mediaconvert_event(job, f"{group['destination']}.mp4"))
        event = fixture("elastictranscoder_completed")
        event["Records"][0]["Sns"]["Message"] = json.dumps(elastic_transcoder_notification(job))
        return self.events.invoke(event)

    def put_old(self, mail: str, **attributes):
        """Puts an item as it looks a month after it was written."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() - MONTH))
        item = {"ProjectStep": f"{self.transcoder}-0", "Mail": mail} | attributes
        item = {name: {"S": value.format(stamp=stamp)} for name, value in item.items()}
        self.dynamodb.put_item(TableName=self.table, Item=item)


def variables(resolver: Resolver, function_name: str, endpoint: str, **changed) -> dict:
    """Returns a function's environment variables as the template sets them, with AWS at the endpoint."""
    own = resolver.resolve(resolver.template["Resources"][function_name]["Properties"]["Environment"]["Variables"])
    aws = {
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local-secret",
        "AWS_ENDPOINT_URL": endpoint,
        "PATH": os.environ["PATH"],
    }
    return {name: str(value) for name, value in {**own, **aws, **changed}.items() if value is not None}


@pytest.fixture(scope="session", params=TRANSCODERS)
def system(request, programs, local, directory):
    transcoder, table = request.param, f"responses-{request.param}"
    dynamodb = clients(local["dynamodb"], "local", "local-secret")("dynamodb")
    schema = template.nested()["Resources"]["Table"]["Properties"]
    names = ["KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "BillingMode"]
    dynamodb.create_table(TableName=table, **{name: schema[name] for name in names})
    with Bridge() as bridge:
        bridge.connect_to(local, None, None)
        pipeline = bridge.create_pipeline(MEDIA, OUTPUT, ROLE, f"arn:aws:sns:{REGION}:000000000000:topic")
    chosen = {"Transcoder": transcoder, "PipelineId": pipeline, "MediaConvertQueueArn": QUEUE}
    resolver = Resolver(table, **chosen, RetentionDays="20")
    with (
        Recorder("ApiRole", local, LOGIN) as of_api,
        Recorder("EventsRole", local, LOGIN) as of_events,
        function(
            programs / "video-api", directory / f"api-{transcoder}.log", variables(resolver, "ApiFunction", of_api.url)
        ) as api,
        function(
            programs / "video-events",
            directory / f"events-{transcoder}.log",
            variables(resolver, "EventsFunction", of_events.url, UPLOAD_LEASE_SECONDS="1"),
        ) as events,
    ):
        here = System(transcoder, local, api, events, (of_api, of_events))
        here.table, here.resolver = table, resolver
        yield here


@pytest.fixture(scope="session")
def flows(system, video):
    """Runs every flow once, and returns the system with the calls that were recorded."""
    a_video_becomes_ready(system, video)
    an_upload_arrives_in_parts(system, video)
    a_person_is_invited(system)
    a_broken_video_is_retried(system)
    a_lost_response_makes_no_second_job(system, video)
    a_video_is_erased(system, video)
    everything_of_a_person_is_erased(system, video)
    the_list_is_read(system)
    the_sweep_and_the_backfill_run(system)
    assert not [problem for recorder in system.recorders for problem in recorder.problems]
    return system


def a_video_becomes_ready(system: System, video: bytes):
    key = system.upload("ready@example.com", video)
    system.uploaded(key)
    assert system.record("ready@example.com")["status"] == "transcoding"
    system.job_changed("ready@example.com")
    record = system.record("ready@example.com")
    assert record["status"] == "ready", record
    assert requests.get(record["playback"], timeout=30).status_code == 200
    assert requests.get(record["original"], timeout=30).status_code == 200


def an_upload_arrives_in_parts(system: System, video: bytes):
    def begin() -> tuple[str, str]:
        metadata = {"mail": "parts@example.com", "project": system.transcoder, "step": "0"}
        wanted = {"filename": "video.mp4", "type": "video/mp4", "metadata": metadata}
        status, begun = system.request("POST", "/s3/multipart", login=False, body=wanted)
        assert status == 200, begun
        return f"/s3/multipart/{begun['uploadId']}", begun["key"]

    upload, key = begin()
    status, part = system.request("GET", f"{upload}/1", login=False, key=key)
    assert status == 200, part
    put = requests.put(part["url"], data=video, timeout=30)
    assert put.status_code == 200, put.text
    status, parts = system.request("GET", upload, login=False, key=key)
    assert (status, len(parts)) == (200, 1), parts
    named = {"parts": [{"PartNumber": 1, "ETag": parts[0]["ETag"]}]}
    status, told = system.request("POST", f"{upload}/complete", login=False, body=named, key=key)
    assert status == 200, told
    upload, key = begin()
    assert system.request("DELETE", upload, login=False, key=key)[0] == 200


def a_person_is_invited(system: System):
    wanted = {"project": system.transcoder, "step": 0, "mails": ["invited@example.com"]}
    status, links = system.request("POST", "/links", body=wanted)
    assert (status, len(links)) == (200, 1), links
    path = links[0]["url"].split("/u/")[1]
    assert system.request("GET", f"/u/{path}/video", login=False)[0] == 200


def a_broken_video_is_retried(system: System):
    key = system.upload("broken@example.com", b"this is no video" * 100)
    system.uploaded(key)
    system.job_changed("broken@example.com")
    assert system.record("broken@example.com")["status"] == "failed"
    status, told = system.request("POST", f"/videos/{system.transcoder}/0/retry", mail="broken@example.com")
    assert status == 202, told
    # The first request creates the job, the second one looks it up.
    for _ in range(2):
        system.requested("Video Retry Requested", key)
    assert system.record("broken@example.com")["jobId"]


def a_lost_response_makes_no_second_job(system: System, video: bytes):
    """MediaConvert's SDK repeats CreateJob with its token; with Elastic Transcoder, a later invocation searches."""
    key = system.upload("lost@example.com", video)
    system.recorders[1].lose.append("CreateJob")
    if system.transcoder == "mediaconvert":
        system.uploaded(key)
    else:
        with pytest.raises(FunctionError, match="CreateJob"):
            system.uploaded(key)
        eventually(lambda: system.is_handled("Video Retry Requested", key), "the lease ends")
    created = [call for call in system.calls if call.operation.name == "CreateJob" and key in str(call.operation)]
    assert len({job_id(call) for call in created}) == 1
    assert system.record("lost@example.com")["status"] == "transcoding"


def job_id(call) -> str:
    told = json.loads(call.content)
    return told["job"]["id"] if "job" in told else told["Job"]["Id"]


def a_video_is_erased(system: System, video: bytes):
    key = system.upload("erased@example.com", video)
    system.uploaded(key)
    system.job_changed("erased@example.com")
    system.s3.create_multipart_upload(Bucket=MEDIA, Key=key)
    status, told = system.request("DELETE", f"/videos/{system.transcoder}/0", mail="erased@example.com")
    assert (status, told) == (202, {"deleting": 1})
    system.requested("Video Erase Requested", key)
    assert system.request("GET", "/videos", mail="erased@example.com") == (200, [])
    # What the old form posts now meets the tombstone.
    system.uploaded(key)


def everything_of_a_person_is_erased(system: System, video: bytes):
    system.uploaded(system.upload("everything@example.com", video))
    status, told = system.request("DELETE", "/videos", mail="everything@example.com")
    assert (status, told["deleting"]) == (202, 1)


def the_list_is_read(system: System):
    project = {"project": system.transcoder}
    for query in ({}, project, {**project, "step": "0"}, {"status": "ready"}):
        status, records = system.request("GET", "/videos", **query)
        assert status == 200 and records, query
    assert system.request("GET", "/videos/counts")[0] == 200
    assert system.request("GET", "/hello")[0] == 200


def the_sweep_and_the_backfill_run(system: System):
    listed = f"{int((time.time() - MONTH) * 1000):013}~"
    old = {"project": system.transcoder, "requestedAt": "{stamp}", "updatedAt": "{stamp}"}
    key = f"{system.transcoder}/0/" + "0" * 19
    system.put_old("unused@example.com", video=f"{key}1.mp4", status="requested", listedAt=f"{listed}a", **old)
    system.put_old("original@example.com", video=f"{key}2.mp4")
    system.put_old("erased/0123", open="0", openSince="{stamp}")
    system.events.invoke({"source": "video-events", "detail-type": "Sweep"})
    segment = 0
    while segment is not None:
        event = {"source": "video-events", "detail-type": "Backfill", "detail": {"segment": segment}}
        segment = system.events.invoke(event)["next"]
    assert system.record("original@example.com")["status"] == "requested"


# ---- The witness -----------------------------------------------------------------------------------------------------


def test_every_request_and_every_response_is_what_the_services_model_says(flows):
    assert len({str(call) for call in flows.calls}) > 20
    contradictions = []
    for call in flows.calls:
        contradictions += call.operation.contradictions()
        if call.service in ("mediaconvert", "elastictranscoder", "events"):
            contradictions += call.operation.contradictions_of_response(call.status, call.headers, call.content)
    assert contradictions == []


JOB = {"role": "arn:aws:iam::111122223333:role/x", "settings": {}}
WRONG = [
    ("missing", "POST", "/2017-08-29/jobs", {**JOB, "role": None}),
    ("unknown", "POST", "/2017-08-29/jobs", {**JOB, "rolle": "x"}),
    ("is none of", "POST", "/2017-08-29/jobs", {**JOB, "statusUpdateInterval": "SECONDS_61"}),
    ("is above", "POST", "/2017-08-29/jobs", {**JOB, "priority": 51}),
    ("is no string", "POST", "/2017-08-29/jobs", {**JOB, "userMetadata": {"key": 7}}),
    ("does not match", "POST", "/2017-08-29/jobs", {**JOB, "settings": {"inputs": [{"fileInput": "x"}]}}),
    ("is above", "GET", "/2017-08-29/jobs?maxResults=21", None),
    ("unknown", "GET", "/2017-08-29/jobs?results=20", None),
]


@pytest.mark.parametrize("problem, method, url, body", WRONG)
def test_the_witness_sees_what_is_wrong(problem, method, url, body):
    raw = b"" if body is None else json.dumps(body).encode()
    (found,) = resolve("mediaconvert", method, url, {}, raw).contradictions()
    assert problem in found


def test_the_witness_sees_a_wrong_response():
    operation = resolve("mediaconvert", "GET", "/2017-08-29/jobs/1-a", {}, b"")
    assert operation.contradictions_of_response(404, {"x-amzn-errortype": "NotFoundException"}, b"{}") == []
    for status, code, body in [
        (400, "NotFoundException", {}),
        (404, "NoSuchJobException", {}),
        (200, "", {"job": {"settings": {}}}),
        (200, "", {"job": {"role": "x", "settings": {}, "status": "DONE"}}),
    ]:
        told = operation.contradictions_of_response(status, {"x-amzn-errortype": code}, json.dumps(body).encode())
        assert len(told) == 1, (status, code, body)


def test_the_function_writes_its_metrics_into_its_log(flows, directory):
    """In CloudWatch's embedded metric format: a line of JSON that describes itself."""
    log = (directory / f"events-{flows.transcoder}.log").read_text().splitlines()
    lines = [json.loads(line) for line in log if line.startswith('{"')]
    metrics = [line for line in lines if "_aws" in line]
    for line in metrics:
        (described,) = line["_aws"]["CloudWatchMetrics"]
        (name,) = [metric["Name"] for metric in described["Metrics"]]
        assert (described["Namespace"], described["Dimensions"]) == ("Video", [["FunctionName"]])
        assert line["FunctionName"] == "test" and line[name] > 0
    written = {metric["Name"] for line in metrics for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    assert written == {"Uploads", "Jobs", "Ready", "Failed", "TimeToReady"}


def test_every_call_is_allowed_by_its_functions_role(flows):
    refused = []
    for call in flows.calls:
        allowed = list(flows.resolver.allowed(call.role))
        refused += [(str(call), *one) for one in needed(call) if not is_allowed(allowed, *one)]
    assert refused == []


def test_every_allowed_action_is_called(flows):
    called = {(call.role, action) for call in flows.calls for action, _ in needed(call)}
    called |= {("ApiRole", "s3:PutObject")}  # Every form that was posted.
    for role in ("ApiRole", "EventsRole"):
        allowed = {action for action, _ in flows.resolver.allowed(role)}
        assert sorted(allowed - {action for own, action in called if own == role} - NOT_CALLED.keys()) == []


@pytest.mark.parametrize("transcoder", TRANSCODERS)
def test_every_permission_exists_for_its_resources(transcoder):
    resolver = Resolver("responses", Transcoder=transcoder, PipelineId="1111111111111-abcde1", UploadAcl="public-read")
    for role in ("ApiRole", "EventsRole", "MediaConvertRole"):
        for statement in resolver.statements(role):
            assert unknown_to_aws(statement) == [], (role, statement)

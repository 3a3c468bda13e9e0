"""The whole system, deployed by `sam deploy` to a local AWS and used as a client would use it.

The tests follow one deployment from its creation to its deletion, in the order of this file.
"""

import json
import re
import time
from pathlib import Path

import pytest
import requests

import template
from deployment import ORIGIN, WORK, Deployment, command, emptied, post
from processes import ACCOUNT, REGION, eventually
from tls import TLS
from transcoder import local_aws


@pytest.fixture(scope="session")
def directory() -> Path:
    return emptied(WORK / "run")


@pytest.fixture(scope="session")
def system(built, local_program, directory):
    with local_aws(local_program, directory) as (here, bridge):
        yield Deployment(built, here, bridge)


@pytest.fixture(scope="session")
def video(directory) -> Path:
    """Two seconds of a test picture with a tone, as a browser's recorder would encode them."""
    file = directory / "video.webm"
    picture = ["-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=30:duration=2"]
    tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=2"]
    codecs = ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"]
    command("ffmpeg", "-v", "error", "-y", *picture, *tone, *codecs, file)
    return file


def is_720p(url: str) -> bool:
    shown = ["-select_streams", "v:0", "-show_entries", "stream=codec_name,width,height", "-of", "json"]
    facts = command("ffprobe", "-v", "error", *shown, url)
    (stream,) = json.loads(facts)["streams"]
    return (stream["codec_name"], stream["width"], stream["height"]) == ("h264", 1280, 720)


def test_the_programs_need_no_newer_c_library_than_amazon_linux_2023_has(built):
    for function in ("ApiFunction", "EventsFunction"):
        needed = re.findall(rb"GLIBC_2\.(\d+)", (built / function / "bootstrap").read_bytes())
        assert needed and max(map(int, needed)) <= 34


# ---- With MediaConvert -----------------------------------------------------------------------------------------------


def test_one_command_deploys_the_whole_system(system):
    system.deploy()
    stacks = system.client("cloudformation").describe_stacks()["Stacks"]
    assert {stack["StackStatus"] for stack in stacks} <= {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
    listed = command(
        "sam",
        "list",
        "stack-outputs",
        "--stack-name",
        "video",
        "--output",
        "json",
        environment=system.cloud.environment(),
    )
    shown = {
        output["OutputKey"]: output["OutputValue"]
        for output in json.loads(listed[listed.index("[") : listed.rindex("]") + 1])
    }
    assert shown == system.outputs
    # Those with a condition are of what a parameter turns on.
    outputs = template.source()["Outputs"]
    assert set(shown) == {name for name in outputs if "Condition" not in outputs[name]}


def test_the_api_answers_without_and_with_a_login(system):
    assert system.get("/").json() == {"hello": "world"}
    refused = system.get("/videos")
    assert (refused.status_code, refused.headers["WWW-Authenticate"].split()[0]) == (401, "Basic")
    assert system.get("/hello", auth=system.login()).json()["hello"] == "admin"


def test_a_browser_of_the_allowed_origin_may_post(system):
    def preflight(origin):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        return requests.options(f"{system.cloud.endpoint}/{system.media}", headers=headers, timeout=10)

    assert preflight(ORIGIN).headers.get("Access-Control-Allow-Origin") in (ORIGIN, "*")
    assert "Access-Control-Allow-Origin" not in preflight("https://elsewhere.example").headers


def test_an_upload_becomes_a_playable_video_with_mediaconvert(system, video):
    key = system.upload(video, "eduard@example.com")
    assert key.startswith("Alba/0/")
    record = system.eventually("eduard@example.com", "ready")
    assert (record["transcoder"], record["ProjectStep"]) == ("mediaconvert", "Alba-0")
    assert is_720p(record["playback"])


def test_a_form_cannot_be_changed(system, video):
    form = system.get("/presignedurl/Alba/0/", params={"mail": "mallory@example.com"}).json()
    assert post(form["url"], {**form["fields"], "key": "Alba/0/somebody-else.webm"}, video).status_code == 403


def test_nothing_passes_without_tls(system, video):
    def without_tls(url: str) -> tuple[str, dict]:
        """The same request of MiniStack itself; the signature covers the proxy's host."""
        return url.replace(system.cloud.tls, system.cloud.endpoint), {"Host": system.cloud.tls.split("//")[1]}

    form = system.get("/presignedurl/Alba/0/", params={"mail": "plain@example.com"}).json()
    url, host = without_tls(form["url"])
    assert post(url, form["fields"], video, headers=host).status_code == 403
    assert post(form["url"], form["fields"], video).status_code == 201
    playback = system.record("eduard@example.com")["playback"]
    url, host = without_tls(playback)
    assert requests.get(url, headers=host, timeout=10).status_code == 403
    assert requests.get(playback, timeout=10).status_code == 200


def test_a_video_that_cannot_be_read_ends_as_failed(system, directory):
    broken = directory / "broken.webm"
    broken.write_bytes(b"this is no video" * 100)
    system.upload(broken, "broken@example.com")
    assert "MediaConvert" in system.eventually("broken@example.com", "failed")["error"]


# ---- When it fails ---------------------------------------------------------------------------------------------------


def test_an_event_that_fails_permanently_is_kept_and_can_be_redriven(system, video):
    system.bridge.outage = True
    system.upload(video, "unlucky@example.com")
    (letter,) = eventually(system.dead_letters, "the event is in the dead-letter queue", 120)
    body = json.loads(letter["Body"])
    assert body["requestContext"]["condition"] == "RetriesExhausted"
    assert body["requestContext"]["approximateInvokeCount"] == 3
    assert system.record("unlucky@example.com")["status"] == "uploaded"

    system.bridge.outage = False
    # On AWS, retries come after one and two minutes, when the lease has expired; here they came at once.
    eventually(lambda: time.time() > system.lease_end("unlucky@example.com"), "the lease has expired", 70, 1)
    # The steps of tools/redrive, whose command line cannot send the header TLS; test_redrive.py runs the script itself.
    queue, function = system.outputs["DeadLettersUrl"], system.outputs["EventsFunctionName"]
    (taken,) = system.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    system.client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=taken["Body"])
    system.client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=taken["ReceiptHandle"])
    system.eventually("unlucky@example.com", "ready")
    assert system.dead_letters() == []


def test_a_panic_fails_one_invocation_and_not_the_function(system):
    """lambda_http panics over a host that is none. API Gateway sends no such event."""
    event = json.loads((template.ROOT / "tests/fixtures/http_api_v2.json").read_text())
    event["headers"]["host"] = "no host"
    function = system.physical("ApiFunction")
    answer = system.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    assert "FunctionError" in answer and b"Lambda panicked" in answer["Payload"].read()
    assert system.get("/").status_code == 200


def test_the_sweep_is_understood(system):
    answer = system.client("lambda").invoke(
        FunctionName=system.outputs["EventsFunctionName"], Payload='{"source":"video-events","detail-type":"Sweep"}'
    )
    assert "FunctionError" not in answer, answer["Payload"].read()


# ---- What the admin does ---------------------------------------------------------------------------------------------


def test_a_retry_wakes_the_events_function_through_eventbridge_and_copies_nothing(system, video):
    system.bridge.rejecting = True
    key = system.upload(video, "retried@example.com")
    failed = system.eventually("retried@example.com", "failed")
    system.bridge.rejecting = False
    uploads = [version for version in system.versions(key) if version["Key"] == key]

    answer = system.as_admin("POST", "/videos/Alba/0/retry", mail="retried@example.com")
    assert (answer.status_code, answer.json()["status"]) == (202, "uploaded"), answer.text
    # The sweep would leave it alone for a quarter of an hour.
    record = system.eventually("retried@example.com", "ready")
    assert record["sequencer"] == f"{failed['sequencer']}.0001"
    assert is_720p(record["playback"])
    assert [version for version in system.versions(key) if version["Key"] == key] == uploads
    assert system.as_admin("POST", "/videos/Alba/0/retry", mail="retried@example.com").status_code == 409


def test_a_video_whose_upload_is_gone_cannot_be_retried(system, directory):
    """The API's role may list the bucket, or S3 would respond with 403 to its question, and the API with 503."""
    broken = directory / "broken.webm"
    key = system.upload(broken, "missing@example.com")
    system.eventually("missing@example.com", "failed")
    system.client("s3").delete_object(Bucket=system.media, Key=key)
    answer = system.as_admin("POST", "/videos/Alba/0/retry", mail="missing@example.com")
    assert (answer.status_code, answer.json()["Code"]) == (409, "ConflictError"), answer.text


def test_a_result_is_announced_on_the_bus_without_the_mail(system, video):
    queue = system.client("sqs").create_queue(QueueName="announcements")["QueueUrl"]
    events = system.client("events")
    pattern = {"source": ["video"], "detail-type": ["Video Ready", "Video Failed"]}
    events.put_rule(Name="announcements", EventPattern=json.dumps(pattern))
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:announcements"
    events.put_targets(Rule="announcements", Targets=[{"Id": "queue", "Arn": arn}])

    def announced() -> list[dict]:
        answer = system.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=1)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    key = system.upload(video, "announced@example.com")
    record = system.eventually("announced@example.com", "ready")
    (event,) = eventually(announced, "the result is announced", 30)
    assert (event["source"], event["detail-type"]) == ("video", "Video Ready")
    assert event["detail"] == {
        "project": "Alba",
        "step": "0",
        "video": key,
        "sequencer": record["sequencer"],
        "status": "ready",
        **{name: record[name] for name in ("output", "poster", "duration", "width", "height")},
    }
    assert "announced@example.com" not in json.dumps(event)

    events.remove_targets(Rule="announcements", Ids=["queue"])
    events.delete_rule(Name="announcements")
    system.client("sqs").delete_queue(QueueUrl=queue)


def test_an_erased_video_leaves_both_buckets_and_the_table_and_its_old_form_brings_nothing_back(system, video):
    mail = "erased@example.com"
    form = system.get("/presignedurl/Alba/0/", params={"mail": mail}).json()
    key = system.upload(video, mail)
    first = system.eventually(mail, "ready")["sequencer"]
    system.upload(video, mail)
    eventually(lambda: system.record(mail)["sequencer"] != first, "the second upload is claimed")
    system.eventually(mail, "ready")
    assert len(system.versions(key)) >= 4

    answer = system.as_admin("DELETE", "/videos/Alba/0", mail=mail)
    assert (answer.status_code, answer.json()) == (202, {"deleting": 1}), answer.text
    eventually(lambda: system.records(mail=mail, status="deleting") == [], "the record is gone")
    assert system.records(mail=mail) == []
    assert system.versions(key) == []
    assert mail not in json.dumps(system.items())
    assert system.as_admin("DELETE", "/videos/Alba/0", mail=mail).status_code == 404

    assert post(form["url"], form["fields"], video).status_code == 201
    eventually(lambda: system.versions(key) == [], "what the old form posted is gone")
    assert system.records(mail=mail) == []


def test_all_videos_of_a_person_are_erased_at_once(system, video):
    mail = "everything@example.com"
    keys = [system.upload(video, mail, project=project) for project in ("Alba", "Other")]
    answer = system.as_admin("DELETE", "/videos", mail=mail)
    assert (answer.status_code, answer.json()) == (202, {"deleting": 2, "more": False}), answer.text
    eventually(lambda: system.records(mail=mail, status="deleting") == [], "the records are gone")
    assert system.versions(*keys) == []
    assert mail not in json.dumps(system.items())
    assert system.as_admin("DELETE", "/videos", mail=mail).status_code == 404


def test_videos_are_listed_newest_first_and_counted(system):
    listed = [record["listedAt"] for record in system.records()]
    assert len(listed) > 3 and listed == sorted(listed, reverse=True)
    counts = system.as_admin("GET", "/videos/counts", project="Alba").json()
    assert counts.pop("capped") == []
    assert {status: len(system.records(project="Alba", status=status)) for status in counts} == counts
    assert counts["ready"] > 0 and counts["failed"] > 0


def test_records_of_the_original_are_copied_in_and_appear_in_the_list(system):
    dynamodb, names = system.client("dynamodb"), ("ProjectStep", "Mail")
    dynamodb.create_table(
        TableName="original",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"))],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
    )
    for number in range(30):
        values = {
            "ProjectStep": "Original-3",
            "Mail": f"{number}@example.com",
            "video": f"Original/3/{number:020}.webm",
        }
        dynamodb.put_item(TableName="original", Item={name: {"S": value} for name, value in values.items()})
    assert system.records(project="Original") == []

    environment, tools = system.cloud.environment(), template.ROOT / "tools"
    command(tools / "copy-records", "original", system.outputs["TableName"], environment=environment)
    for completed in (30, 0):
        told = command(tools / "backfill", system.outputs["EventsFunctionName"], environment=environment)
        assert f": {completed} records completed" in told.splitlines()[-1]
    records = system.records(project="Original", status="requested")
    assert len(records) == 30
    dynamodb.delete_table(TableName="original")


# ---- Permissions -----------------------------------------------------------------------------------------------------


def test_the_roles_allow_what_is_needed_and_nothing_else(system):
    iam = system.client("iam")

    def may(role: str, action: str, resource: str) -> bool:
        answer = iam.simulate_principal_policy(
            PolicySourceArn=system.role(role), ActionNames=[action], ResourceArns=[resource]
        )
        return answer["EvaluationResults"][0]["EvalDecision"] == "allowed"

    media, output = (f"arn:aws:s3:::{bucket}" for bucket in (system.media, system.output))
    table = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{system.outputs['TableName']}"
    mediaconvert = f"arn:aws:mediaconvert:{REGION}:{ACCOUNT}:"
    bus = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"
    groups = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/"
    api_log, events_log = f"{groups}video-api:*", f"{groups}video-events:*"
    letters = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{system.outputs['DeadLettersUrl'].rsplit('/', 1)[1]}"
    allowed = [
        # MiniStack writes logs without checking permissions.
        ("ApiRole", "logs:CreateLogStream", api_log),
        ("ApiRole", "logs:PutLogEvents", api_log),
        ("EventsRole", "logs:CreateLogStream", events_log),
        ("EventsRole", "logs:PutLogEvents", events_log),
        ("MediaConvertRole", "s3:GetObject", f"{media}/Alba/0/x.webm"),
        ("MediaConvertRole", "s3:PutObject", f"{output}/output/web/Alba/0/x.mp4"),
        ("EventsRole", "mediaconvert:GetJob", mediaconvert + "jobs/1"),
        ("EventsRole", "mediaconvert:CancelJob", mediaconvert + "jobs/1"),
        ("EventsRole", "dynamodb:Query", f"{table}/index/outbox-index"),
        ("EventsRole", "s3:AbortMultipartUpload", f"{media}/Alba/0/x.webm"),
        ("EventsRole", "s3:DeleteObjectVersion", f"{media}/Alba/0/x.webm"),
        ("EventsRole", "s3:DeleteObjectVersion", f"{output}/output/web/Alba/0/x.mp4"),
        ("EventsRole", "events:PutEvents", bus),
        ("ApiRole", "events:PutEvents", bus),
        ("ApiRole", "s3:ListBucket", media),
        # MiniStack writes dead letters without checking permissions.
        ("EventsRole", "sqs:SendMessage", letters),
        ("ApiRole", "s3:GetObject", f"{media}/Alba/0/x.webm"),
        ("ApiRole", "s3:PutObject", f"{media}/Alba/0/x.webm"),
    ]
    refused = [
        ("ApiRole", "logs:PutLogEvents", events_log),
        ("ApiRole", "s3:PutObject", f"{output}/output/x.mp4"),
        ("ApiRole", "s3:PutObjectAcl", f"{media}/Alba/0/x.webm"),
        ("ApiRole", "s3:DeleteObject", f"{media}/Alba/0/x.webm"),
        ("ApiRole", "s3:DeleteObjectVersion", f"{media}/Alba/0/x.webm"),
        ("ApiRole", "s3:ListBucket", output),
        ("ApiRole", "events:PutEvents", bus.replace("default", "other")),
        ("ApiRole", "dynamodb:DeleteItem", table),
        ("ApiRole", "dynamodb:PutItem", table),
        ("ApiRole", "dynamodb:Scan", table),
        ("ApiRole", "dynamodb:GetItem", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/other"),
        ("ApiRole", "secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:other"),
        ("ApiRole", "mediaconvert:CreateJob", mediaconvert + "queues/Default"),
        ("EventsRole", "s3:GetObject", f"{media}/Alba/0/x.webm"),
        ("EventsRole", "s3:PutObject", f"{media}/Alba/0/x.webm"),
        ("EventsRole", "s3:DeleteObject", "arn:aws:s3:::other/Alba/0/x.webm"),
        ("EventsRole", "dynamodb:DeleteItem", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/other"),
        ("EventsRole", "mediaconvert:CreateJob", mediaconvert + "queues/other"),
        ("EventsRole", "elastictranscoder:CreateJob", f"arn:aws:elastictranscoder:{REGION}:{ACCOUNT}:pipeline/1"),
        ("EventsRole", "iam:PassRole", system.role("ApiRole")),
        ("MediaConvertRole", "s3:PutObject", f"{media}/Alba/0/x.webm"),
        ("MediaConvertRole", "s3:GetObject", f"{output}/output/web/Alba/0/x.mp4"),
        ("MediaConvertRole", "s3:DeleteObject", f"{output}/output/web/Alba/0/x.mp4"),
    ]
    assert [case for case in allowed if not may(*case)] == []
    assert [case for case in refused if may(*case)] == []


def test_a_rotated_admin_secret_opens_the_list(system):
    old = system.login()
    new = {"username": "admin", "password": "a-new-one-of-the-operators"}
    system.client("secretsmanager").put_secret_value(
        SecretId=system.outputs["AdminSecretArn"], SecretString=json.dumps(new)
    )
    # A password that does not match is looked up again after 10 seconds.
    eventually(
        lambda: system.get("/videos", auth=system.login()).status_code == 200, "the new password opens the list", 30, 1
    )
    assert system.get("/videos", auth=old).status_code == 401


# ---- Deploying again -------------------------------------------------------------------------------------------------


def test_a_second_deployment_changes_nothing(system):
    before = system.outputs
    assert "No changes to deploy" in system.deploy()
    assert system.outputs == before


def test_an_acl_is_in_force_only_while_it_is_asked_for(system, video):
    def public(mail: str) -> int:
        key = system.upload(video, mail)
        system.eventually(mail, "ready")
        return requests.get(f"{system.cloud.endpoint}/{system.media}/{key}", headers=TLS, timeout=10).status_code

    store = system.client("s3")
    system.deploy(UploadAcl="public-read")
    # MiniStack passes over these two properties of a bucket; test_template.py looks at what the template says.
    store.put_bucket_ownership_controls(
        Bucket=system.media, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    )
    store.put_public_access_block(
        Bucket=system.media, PublicAccessBlockConfiguration={"BlockPublicPolicy": True, "RestrictPublicBuckets": True}
    )
    assert public("public@example.com") == 200

    system.deploy(UploadAcl="")
    store.put_bucket_ownership_controls(
        Bucket=system.media, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    assert public("private@example.com") == 403


def test_an_upload_becomes_a_playable_video_with_elastic_transcoder(system, video):
    formation = system.client("cloudformation")
    formation.create_stack(
        StackName="video-pipeline",
        TemplateBody=(template.ROOT / "cloudformation/elastictranscoder.yml").read_text(),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[
            {"ParameterKey": "MediaBucketName", "ParameterValue": system.media},
            {"ParameterKey": "OutputBucketName", "ParameterValue": system.output},
        ],
    )
    formation.get_waiter("stack_create_complete").wait(
        StackName="video-pipeline", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    made = system.outputs_of("video-pipeline")
    system.topic = made["TopicArn"]
    pipeline = system.bridge.create_pipeline(system.media, system.output, made["RoleArn"], made["TopicArn"])
    system.deploy(Transcoder="elastictranscoder", PipelineId=pipeline, PipelineTopicArn=made["TopicArn"])

    key = system.upload(video, "elastic@example.com", kind="video/mp4")
    record = system.eventually("elastic@example.com", "ready")
    assert system.record("eduard@example.com")["status"] == "ready"
    assert (record["transcoder"], record["output"]) == ("elastictranscoder", f"output/web/{key}")
    assert is_720p(record["playback"])


def test_elastic_transcoder_is_not_deployed_without_its_pipeline(system):
    with pytest.raises(AssertionError, match="needs PipelineId"):
        system.deploy(Transcoder="elastictranscoder", PipelineId="", PipelineTopicArn="")


def test_the_table_also_deploys_alone(system):
    formation = system.client("cloudformation")
    formation.create_stack(StackName="responses-table", TemplateBody=(template.ROOT / template.NESTED).read_text())
    formation.get_waiter("stack_create_complete").wait(
        StackName="responses-table", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    table = system.client("dynamodb").describe_table(TableName="responses")["Table"]
    assert len(table["GlobalSecondaryIndexes"]) == 6
    assert system.outputs_of("responses-table")["TableName"] == "responses"


# ---- The end ---------------------------------------------------------------------------------------------------------


def test_deleting_keeps_the_data_and_removes_the_rest(system):
    objects = system.client("s3").list_objects_v2(Bucket=system.media)["KeyCount"]
    functions = system.client("lambda")
    assert len(functions.list_functions()["Functions"]) == 2

    formation = system.client("cloudformation")
    for stack in ("video", "responses-table"):
        formation.delete_stack(StackName=stack)
        formation.get_waiter("stack_delete_complete").wait(
            StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )

    assert system.client("s3").list_objects_v2(Bucket=system.media)["KeyCount"] == objects
    assert system.client("s3").list_objects_v2(Bucket=system.output)["KeyCount"] > 0
    assert system.client("s3").get_bucket_policy(Bucket=system.media)["Policy"]
    # MiniStack, unlike AWS, retains nothing of a nested stack; so this is the same template's table, deployed alone.
    assert system.client("dynamodb").describe_table(TableName="responses")["Table"]["DeletionProtectionEnabled"] is True
    assert system.client("sqs").get_queue_attributes(QueueUrl=system.outputs["DeadLettersUrl"])

    assert functions.list_functions()["Functions"] == []
    assert system.client("apigatewayv2").get_apis()["Items"] == []
    assert system.client("events").list_rules()["Rules"] == []
    assert system.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    groups = system.client("logs").describe_log_groups()["logGroups"]
    assert [
        group["logGroupName"] for group in groups if group["logGroupName"].endswith(("-api", "-events", "/access"))
    ] == []
    roles = [role["RoleName"] for role in system.client("iam").list_roles()["Roles"]]
    assert [name for name in roles if name.startswith("video-") and "Pipeline" not in name] == []

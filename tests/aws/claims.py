"""What only the real service can tell. Each claim returns a remark for the report, or fails and says why."""

import json
import subprocess
import time

import requests

from system import STEP, System, Upload

SETTLE_SECONDS = 120


def the_api_answers(system: System):
    """The API answers, and with the admin's password it says who asks."""
    assert system.request("GET", "/").json() == {"hello": "world"}
    answer = system.as_admin("GET", "/hello")
    assert answer.status_code == 200 and answer.json()["context"]["is_admin"], answer.text


def a_login_is_asked_for(system: System):
    """Without a password, the list asks for one."""
    refused = system.request("GET", "/videos")
    assert refused.status_code == 401, refused.text
    names = [name for name in refused.headers if name.lower().endswith("www-authenticate")]
    assert names and refused.headers[names[0]].startswith("Basic"), dict(refused.headers)
    return f"the header is called {names[0]}"


def a_path_is_decoded_once(system: System):
    """An escaped dot in a path is part of a project's name; an escaped slash, question mark or hash is refused."""
    video = system.uploads[0].video
    key = system.form(video, "a%2Eb")["fields"]["key"]
    assert key.startswith(f"a.b/{STEP}/"), key
    for escaped in ("%2F", "%3F", "%23"):
        refused = system.request("GET", f"/presignedurl/a{escaped}b/{STEP}", params={"mail": video.mail})
        assert refused.status_code in (400, 404), f"{escaped}: {refused.status_code} {refused.text}"


def every_video_is_ready(system: System):
    """A recording, a fragmented, a silent and a large video are ready, and what they became plays at 720p."""
    for upload in _good(system):
        _assert_ready(upload)
        _assert_720p(requests.get(upload.record["playback"], timeout=120).content, upload)
    return ", ".join(f"{upload.video.name} after {_seconds(upload.record)} s" for upload in _good(system))


def every_video_has_a_picture(system: System):
    """Each of them has a poster, a duration and a size."""
    for upload in _good(system):
        _assert_ready(upload)
        record = upload.record
        assert 5 <= record["duration"] <= 7 and record["height"] == 720, record
        picture = requests.get(record["preview"], timeout=40)
        assert picture.status_code == 200 and picture.headers["Content-Type"] in ("image/jpeg", "image/png"), (
            f"{upload.video.name}: {picture.status_code} {picture.headers}"
        )


def a_broken_video_has_failed(system: System):
    """What is no video has failed, and the transcoder's reason is told."""
    (broken,) = [upload for upload in system.uploads if upload.video.is_broken]
    assert broken.record["status"] == "failed" and broken.record["error"], broken.record
    return broken.record["error"]


def a_failed_video_can_be_tried_again(system: System):
    """A retry by the admin wakes the events function through EventBridge."""
    (broken,) = [upload for upload in system.uploads if upload.video.is_broken]
    first = broken.record
    answer = system.as_admin("POST", f"/videos/{first['ProjectStep'].replace('-', '/')}/retry", mail=broken.video.mail)
    assert answer.status_code == 202, answer.text

    def tried_again():
        record = system.record(broken.video)
        return record["status"] == "failed" and record["jobId"] != first["jobId"]

    _eventually(tried_again, "the second job has failed, too")


def a_job_is_found_by_its_input(system: System):
    """MediaConvert's search finds a job by its input, for which a take-over looks."""
    upload = _good(system)[0]
    bucket = system.outputs["MediaBucketName"]
    found = system.client("mediaconvert").search_jobs(InputFile=f"s3://{bucket}/{upload.key}", MaxResults=20)
    assert upload.record["jobId"] in [job["Id"] for job in found["Jobs"]], found["Jobs"]


def nothing_was_refused(system: System):
    """No call of the functions was refused, and nothing is in the dead-letter queue."""
    refused = [line for line in system.logs() if "AccessDenied" in line or "not authorized" in line]
    assert not refused, refused[0]
    assert system.dead_letters() == 0


def logs_have_metrics(system: System):
    """The functions count uploads, jobs and results, and measure the time to ready."""

    def counted():
        lines = [json.loads(line) for line in system.logs() if '"_aws"' in line]
        names = {metric["Name"] for line in lines for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
        return {"Uploads", "Jobs", "Ready", "Failed", "TimeToReady"} <= names

    _eventually(counted, "the metrics are in the logs")


def logs_have_no_mail(system: System):
    """No mail is in a log of the functions or of the API."""
    lines = system.logs()
    assert lines, "there are no logs"
    for upload in system.uploads:
        name = upload.video.mail.split("@")[0]
        told = [line for line in lines if f"{name}@" in line or f"{name}%40" in line]
        assert not told, told[0]
    return f"{len(lines)} lines"


def a_dashboard_shows_them(system: System):
    """There is a dashboard that CloudWatch can read."""
    listed = system.client("cloudwatch").list_dashboards(DashboardNamePrefix=system.stack.name)["DashboardEntries"]
    assert len(listed) == 1, listed
    body = system.client("cloudwatch").get_dashboard(DashboardName=listed[0]["DashboardName"])["DashboardBody"]
    return f"{len(json.loads(body)['widgets'])} graphs"


def erased_videos_leave_nothing(system: System):
    """Erased videos leave both buckets with every version, and then the list."""
    for upload in system.uploads:
        assert system.versions(upload.key), upload.key
        answer = system.as_admin("DELETE", "/videos", mail=upload.video.mail)
        assert answer.status_code == 202, answer.text
    for upload in system.uploads:
        _eventually(lambda: not system.records(mail=upload.video.mail, status="deleting"), "the record is gone")
        assert system.versions(upload.key) == []
        assert system.records(mail=upload.video.mail) == []


CLAIMS = [
    the_api_answers,
    a_login_is_asked_for,
    a_path_is_decoded_once,
    every_video_is_ready,
    every_video_has_a_picture,
    a_broken_video_has_failed,
    a_failed_video_can_be_tried_again,
    a_job_is_found_by_its_input,
    logs_have_metrics,
    a_dashboard_shows_them,
    erased_videos_leave_nothing,
    # Last: of all that has happened.
    nothing_was_refused,
    logs_have_no_mail,
]


def _good(system: System) -> list[Upload]:
    return [upload for upload in system.uploads if not upload.video.is_broken]


def _assert_ready(upload: Upload):
    assert upload.is_ready, f"{upload.video.name}: {upload.record}"


def _assert_720p(content: bytes, upload: Upload):
    command = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_type,codec_name,height", "-of", "json", "-"]
    probe = subprocess.run(command, input=content, capture_output=True, timeout=60)
    assert probe.returncode == 0, f"{upload.video.name}: {probe.stderr.decode()}"
    streams = {stream["codec_type"]: stream for stream in json.loads(probe.stdout)["streams"]}
    told, picture = f"{upload.video.name}: {streams}", streams["video"]
    assert (picture["codec_name"], picture["height"]) == ("h264", 720), told
    assert ("audio" in streams) == upload.video.has_sound, told


def _seconds(record: dict) -> int:
    """Returns how long a video took from its upload to its result."""
    read = lambda name: time.mktime(time.strptime(record[name].split(".")[0].rstrip("Z"), "%Y-%m-%dT%H:%M:%S"))
    return round(read("updatedAt") - read("uploadedAt"))


def _eventually(check, what: str):
    end = time.monotonic() + SETTLE_SECONDS
    while not check():
        assert time.monotonic() < end, f"{what}: not within {SETTLE_SECONDS} s"
        time.sleep(2)

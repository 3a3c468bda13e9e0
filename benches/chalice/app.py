"""The same API as a Chalice app, as the original had it: written from the contract, for the bench alone."""

import base64
import hashlib
import os
from datetime import datetime, timedelta, timezone

import boto3
from boto3.dynamodb.conditions import Key
from botocore.config import Config
from chalice import Chalice, NotFoundError, Response, UnauthorizedError

EXPIRES = 3600
MAX_UPLOAD_BYTES = 5 * 1024**3

app = Chalice(app_name="videos")
table = boto3.resource("dynamodb").Table(os.environ["RESPONSES_TABLE_NAME"])
s3 = boto3.client("s3", config=Config(signature_version="s3v4"))


@app.route("/", cors=True)
def root():
    return {"hello": "world"}


@app.route("/hello", cors=True)
def hello():
    user = signed_in()
    return {"hello": user, "context": {"is_admin": True, "principalId": user}}


@app.route("/presignedurl/{project}/{step}", cors=True)
def presigned_url(project, step):
    parameters = app.current_request.query_params
    if parameters is None:
        raise NotFoundError("No parameter has been sent")
    mail = parameters.get("mail")
    if not mail:
        raise NotFoundError("mail is empty")
    step = int(step) if step.lstrip("-").isdigit() else 0
    digest = hashlib.blake2b(mail.encode(), digest_size=10).hexdigest()
    key = f"{project}/{step}/{digest}.webm"
    now = datetime.now(timezone.utc)
    table.update_item(
        Key={"ProjectStep": f"{project}-{step}", "Mail": mail},
        UpdateExpression="SET video = :key, requestedAt = :now, updatedAt = :now, "
        "#status = if_not_exists(#status, :requested)",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":key": key, ":now": rfc3339(now), ":requested": "requested"},
    )
    app.log.info("upload form issued: %s", key)
    fields = {"Content-Type": "video/webm", "success_action_status": "201"}
    conditions = [{name: value} for name, value in fields.items()] + [["content-length-range", 1, MAX_UPLOAD_BYTES]]
    form = s3.generate_presigned_post(os.environ["MEDIA_BUCKET_NAME"], key, fields, conditions, EXPIRES)
    return {**form, "expiresAt": rfc3339(now + timedelta(seconds=EXPIRES))}


@app.route("/videos", cors=True)
def videos():
    signed_in()
    parameters = app.current_request.query_params or {}
    limit = int(parameters.get("limit", 100))
    if "project" in parameters and "step" in parameters:
        partition = f"{parameters['project']}-{parameters['step']}"
        page = table.query(KeyConditionExpression=Key("ProjectStep").eq(partition), Limit=limit)
    else:
        page = table.scan(Limit=limit)
    return Response([with_links(record) for record in page["Items"]])


def rfc3339(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def with_links(record):
    record = {name: int(value) if name in ("size", "leaseUntil") else value for name, value in record.items()}
    if record.get("status") == "ready":
        record["playback"] = link(os.environ["OUTPUT_BUCKET_NAME"], record["output"])
    if "uploadedKey" in record:
        record["original"] = link(os.environ["MEDIA_BUCKET_NAME"], record["uploadedKey"])
    return record


def link(bucket, key):
    return s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": key}, EXPIRES)


def signed_in():
    kind, _, given = app.current_request.headers.get("authorization", "").partition(" ")
    user, _, password = base64.b64decode(given).decode().partition(":") if kind == "Basic" else ("", "", "")
    if (user, password) != (os.environ["ADMIN_USERNAME"], os.environ["ADMIN_PASSWORD"]):
        raise UnauthorizedError("not signed in")
    return user

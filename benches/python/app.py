"""The upload form on Python and boto3 without a framework: written from the contract, for the bench alone."""

import hashlib
import json
import logging
import os
from datetime import datetime, timedelta, timezone

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

EXPIRES = 3600
MAX_UPLOAD_BYTES = 5 * 1024**3

log = logging.getLogger()
log.setLevel(logging.INFO)
dynamodb = boto3.client("dynamodb")
s3 = boto3.client("s3", config=Config(signature_version="s3v4"))


class Refusal(Exception):
    def __init__(self, status, code, message):
        self.status, self.body = status, {"Code": code, "Message": message}


def handler(event, _context):
    try:
        _, route, project, step, *_ = [*event["rawPath"].split("/"), "", "", ""]
        if route != "presignedurl":
            raise Refusal(404, "NotFoundError", "there is no such path")
        return response(200, form(project, step, event.get("queryStringParameters")))
    except Refusal as refusal:
        return response(refusal.status, refusal.body)
    except (BotoCoreError, ClientError) as error:
        log.error("%s", error)
        message = "an AWS call failed; no form was issued"
        return response(503, {"Code": "ServiceUnavailableError", "Message": message})


def form(project, step, parameters):
    if not parameters:
        raise Refusal(404, "NotFoundError", "No parameter has been sent")
    mail = parameters.get("mail")
    if not mail:
        raise Refusal(404, "NotFoundError", "mail is empty")
    if not project:
        raise Refusal(404, "NotFoundError", "project is empty")
    step = int(step) if step.lstrip("-").isdigit() else 0
    digest = hashlib.blake2b(mail.encode(), digest_size=10).hexdigest()
    key = f"{project}/{step}/{digest}.webm"
    now = datetime.now(timezone.utc)
    record(f"{project}-{step}", mail, key, now)
    log.info("upload form issued: %s", key)
    fields = {"Content-Type": "video/webm", "success_action_status": "201"}
    conditions = [{name: value} for name, value in fields.items()] + [["content-length-range", 1, MAX_UPLOAD_BYTES]]
    post = s3.generate_presigned_post(os.environ["MEDIA_BUCKET_NAME"], key, fields, conditions, EXPIRES)
    return {**post, "expiresAt": rfc3339(now + timedelta(seconds=EXPIRES))}


def record(project_step, mail, key, now):
    dynamodb.update_item(
        TableName=os.environ["RESPONSES_TABLE_NAME"],
        Key={"ProjectStep": {"S": project_step}, "Mail": {"S": mail}},
        UpdateExpression="SET video = :key, requestedAt = :now, updatedAt = :now, "
        "#status = if_not_exists(#status, :requested)",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={
            ":key": {"S": key},
            ":now": {"S": rfc3339(now)},
            ":requested": {"S": "requested"},
        },
    )


def rfc3339(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def response(status, body):
    headers = {"content-type": "application/json", "access-control-allow-origin": "*"}
    return {"statusCode": status, "headers": headers, "body": json.dumps(body)}

"""A proxy between one function and the local AWS that records every call."""

import json
from dataclasses import dataclass
from urllib.parse import urlsplit

from models import Operation, resolve, service
from server import Answer, Request, Server

TRANSCODERS = {"mediaconvert", "elastictranscoder"}
SERVICES = TRANSCODERS | {"dynamodb", "s3", "events", "secretsmanager"}


@dataclass
class Call:
    """One request of a function, and the response."""

    role: str
    service: str
    operation: Operation
    method: str
    url: str
    status: int
    headers: dict
    content: bytes
    is_signed_url: bool = False

    def __str__(self):
        return f"{self.role}: {self.service} {self.operation.name}"


class Recorder(Server):
    """What one function, by its role, sends to AWS. The local system has no Secrets Manager: `secret` is its answer."""

    def __init__(self, role: str, endpoints: dict, secret: dict):
        self.role, self._endpoints, self._secret = role, endpoints, secret
        for name in SERVICES:
            service(name)  # Reading a model takes longer than a function waits for its first response.
        self.calls: list[Call] = []
        # Operations whose next response is lost: it becomes a 500.
        self.lose: list[str] = []
        super().__init__()

    def answer(self, request: Request) -> Answer:
        lower = {name.lower(): value for name, value in request.headers.items()}
        # `Credential=ID/date/region/service/aws4_request`; a form or a link of S3 has none in its headers.
        authorization = lower.get("authorization", "").split("/")
        name = authorization[3] if len(authorization) > 4 else "s3"
        status, told, content = self._respond(name, request)
        is_signed_url = "authorization" not in lower
        if not (is_signed_url and request.method == "POST"):
            told_lower = {name.lower(): value for name, value in told}
            operation = resolve(name, request.method, request.path, lower, request.body)
            method, url = request.method, request.path
            call = Call(self.role, name, operation, method, url, status, told_lower, content, is_signed_url)
            self.calls.append(call)
            if operation.name in self.lose and status < 300:
                self.lose.remove(operation.name)
                return 500, [("content-type", "application/json")], b'{"message":"lost by the test"}'
        return status, told, content

    def _respond(self, service: str, request: Request) -> Answer:
        if service == "secretsmanager":
            content = {"Name": "admin", "SecretString": json.dumps(self._secret)}
            return 200, [("content-type", "application/x-amz-json-1.1")], json.dumps(content).encode()
        endpoint = "transcoder" if service in TRANSCODERS | {"events"} else service
        return request.send_to(urlsplit(self._endpoints[endpoint]).netloc)

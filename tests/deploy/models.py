"""AWS's own models of its services, as botocore publishes them, and what in an exchange contradicts them."""

import json
import sys
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree

import regex
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape
from botocore.validate import ParamValidator

# What models.txt installs.
PUBLISHED = Path(sys.prefix) / "models"
ELASTIC_TRANSCODER = PUBLISHED / "botocore" / "data"
# Parameters and headers of the protocol, which no operation has as its own: a signed link has its signature in them.
SIGNATURE = {f"X-Amz-{name}" for name in ("Algorithm", "Credential", "Date", "Expires", "Security-Token", "Signature")}
PROTOCOL_PARAMETERS = SIGNATURE | {"X-Amz-SignedHeaders"}
PROTOCOL_HEADERS = {"x-amz-date", "x-amz-content-sha256", "x-amz-security-token", "x-amz-user-agent", "x-amz-target"}
ERROR_MEMBERS = {"__type", "message", "Message"}
# Errors that every operation can return.
COMMON_ERRORS = {"ValidationException", "AccessDeniedException", "ThrottlingException", "SerializationException"}


def loader() -> Loader:
    """Returns a loader that knows Elastic Transcoder too."""
    return Loader(extra_search_paths=[str(ELASTIC_TRANSCODER)])


@cache
def service(name: str) -> ServiceModel:
    return ServiceModel(loader().load_service_model(name, "service-2"), name)


# ---- Values against shapes -------------------------------------------------------------------------------------------


def contradictions(shape: Shape, value, path: str = ""):
    """Yields what in a value contradicts its shape: type, required and unknown members, enums, lengths, patterns."""
    kind = shape.type_name
    if not isinstance(value, PYTHON_TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{path}: {value!r} is no {kind}"
        return
    if kind == "structure":
        yield from (f"{path}.{name}: missing" for name in shape.required_members if name not in value)
        yield from (f"{path}.{name}: unknown" for name in value if name not in shape.members)
        for name in value.keys() & shape.members.keys():
            yield from contradictions(shape.members[name], value[name], f"{path}.{name}")
    elif kind == "list":
        for number, item in enumerate(value):
            yield from contradictions(shape.member, item, f"{path}[{number}]")
    elif kind == "map":
        for key, item in value.items():
            yield from contradictions(shape.key, key, f"{path}.{key}")
            yield from contradictions(shape.value, item, f"{path}.{key}")
    yield from (f"{path}: {value!r} {problem}" for problem in _limits(shape, value))


NUMBERS = {"integer", "long", "float", "double"}
PYTHON_TYPES = {
    "structure": dict,
    "map": dict,
    "list": list,
    "string": str,
    "blob": (str, bytes),
    "boolean": bool,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float, str),
}


def _limits(shape: Shape, value):
    """Yields the limits of a shape that a value exceeds. botocore itself checks neither enums nor patterns."""
    limits = shape.metadata
    size = value if shape.type_name in NUMBERS else len(value) if hasattr(value, "__len__") else None
    if size is not None and size < limits.get("min", size):
        yield f"is below {limits['min']}"
    if size is not None and size > limits.get("max", size):
        yield f"is above {limits['max']}"
    if limits.get("enum") and value not in limits["enum"]:
        yield f"is none of {limits['enum']}"
    if "pattern" in limits and not regex.search(limits["pattern"], value):
        yield f"does not match {limits['pattern']}"


# ---- From the wire ---------------------------------------------------------------------------------------------------


def from_json(shape: Shape | None, value):
    """Names members as the model does. null is no value: AWS leaves it out, and every SDK reads both alike."""
    kind = shape.type_name if shape else None
    if kind == "structure" and isinstance(value, dict):
        names = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        named = {names.get(name, name): item for name, item in value.items() if item is not None}
        return {name: from_json(shape.members.get(name), item) for name, item in named.items()}
    if kind == "list" and isinstance(value, list):
        return [from_json(shape.member, item) for item in value]
    if kind == "map" and isinstance(value, dict):
        return {key: from_json(shape.value, item) for key, item in value.items() if item is not None}
    return value


def _from_xml(shape: Shape, node: ElementTree.Element):
    if shape.type_name != "structure":
        return _from_text(shape, node.text or "")
    members = {member.serialization.get("name", name): name for name, member in shape.members.items()}
    value = {}
    for child in node:
        name = members.get(child.tag.split("}")[-1], child.tag)
        member = shape.members.get(name)
        if member is not None and member.type_name == "list":
            value.setdefault(name, []).append(_from_xml(member.member, child))
        else:
            value[name] = _from_xml(member, child) if member is not None else child.text
    return value


def _from_text(shape: Shape, text: str):
    """Reads a value of a path, a query string, a header or a text of XML."""
    if shape.type_name == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if shape.type_name in NUMBERS:
        return int(text) if text.lstrip("-").isdigit() else text
    return text


class Operation:
    """A request, resolved to the operation that it calls."""

    def __init__(self, model: OperationModel, parameters: dict):
        self.model, self.name, self.parameters = model, model.name, parameters

    def __str__(self):
        return f"{self.name} {self.parameters}"

    def contradictions(self) -> list[str]:
        shape = self.model.input_shape
        if shape is None:
            return []
        own = list(contradictions(shape, self.parameters, self.name))
        botocores = ParamValidator().validate(self.parameters, shape)
        return own + ([botocores.generate_report()] if botocores.has_errors() and not own else [])

    def contradictions_of_response(self, status: int, headers: dict, body: bytes) -> list[str]:
        """Returns what in a JSON response contradicts the model."""
        content = json.loads(body) if body else {}
        if status >= 300:
            return self._contradictions_of_error(status, headers, content)
        found = [] if status == self.model.http.get("responseCode", 200) else [f"{self.name}: status {status}"]
        shape = self.model.output_shape
        if shape is None:
            return found + ([f"{self.name}: a response without members has {content}"] if content else [])
        return found + list(contradictions(shape, from_json(shape, content), f"{self.name} response"))

    def _contradictions_of_error(self, status: int, headers: dict, content: dict) -> list[str]:
        code = headers.get("x-amzn-errortype") or content.get("__type", "")
        code = code.split(":")[0].split("#")[-1]
        shape = next((shape for shape in self.model.error_shapes if shape.name == code), None)
        if shape is None:
            return [] if code in COMMON_ERRORS else [f"{self.name}: error {code!r} is unknown"]
        if status != shape.metadata.get("error", {}).get("httpStatusCode", status):
            return [f"{self.name}: {code} has status {status}"]
        # Older models leave out the message, which every SDK reads.
        message = {name: value for name, value in content.items() if name in shape.members or name not in ERROR_MEMBERS}
        return list(contradictions(shape, from_json(shape, message), f"{self.name} {code}"))


def resolve(name: str, method: str, url: str, headers: dict, body: bytes) -> Operation:
    """Finds the operation of a request and reads its parameters; headers are in lower case."""
    model = service(name)
    if model.protocol == "json":
        operation = model.operation_model(headers["x-amz-target"].rsplit(".", 1)[-1])
        assert headers["x-amz-target"].rsplit(".", 1)[0] == model.metadata["targetPrefix"], headers["x-amz-target"]
        assert headers["content-type"] == f"application/x-amz-json-{model.metadata['jsonVersion']}", headers
        return Operation(operation, from_json(operation.input_shape, json.loads(body)))
    operations = map(model.operation_model, model.operation_names)
    found = [fit for operation in operations if (fit := _candidate(operation, method, url, headers))]
    assert found, f"{name} has no operation {method} {url}"
    _, operation, parameters = max(found, key=lambda one: one[0])
    return Operation(operation, parameters | _body(operation, body))


def _candidate(operation: OperationModel, method: str, url: str, headers: dict):
    """Returns how specific an operation is for a request, with what it reads of it; None where it is not its own."""
    target, template = urlsplit(url), urlsplit(operation.http["requestUri"])
    query = dict(parse_qsl(target.query, keep_blank_values=True))
    query = {name: value for name, value in query.items() if name not in PROTOCOL_PARAMETERS}
    constant = dict(parse_qsl(template.query, keep_blank_values=True))
    place = regex.fullmatch(_path_pattern(template.path), target.path)
    identifier = query.pop("x-id", operation.name)
    is_own = operation.http["method"] == method and place and constant.items() <= query.items()
    if not is_own or identifier != operation.name:
        return None
    parameters = {name: query[name] for name in query.keys() - constant.keys()}
    members = operation.input_shape.members if operation.input_shape else {}
    for name, member in members.items():
        location, wire = member.serialization.get("location"), member.serialization.get("name", name)
        if location == "uri":
            parameters[name] = unquote(place[wire])
        elif location == "querystring" and wire in query:
            parameters.pop(wire)
            parameters[name] = _from_text(member, query[wire])
        elif location == "header" and wire.lower() in headers:
            parameters[name] = _from_text(member, headers[wire.lower()])
        elif location == "headers":
            parameters[name] = {}
    required = {name for name in (operation.input_shape.required_members if members else [])}
    in_body = {name for name in required if "location" not in members[name].serialization}
    if not required - in_body <= parameters.keys():
        return None
    known = {member.serialization.get("name", "").lower() for member in members.values()} | PROTOCOL_HEADERS
    foreign = [name for name in headers if name.startswith("x-amz-") and name not in known]
    parameters |= {name: headers[name] for name in foreign if not name.startswith(("x-amz-meta-", "x-amz-checksum-"))}
    return len(constant) + len(required), operation, parameters


def _path_pattern(template: str) -> str:
    """`/{Bucket}/{Key+}` as a pattern; only a greedy name holds slashes."""
    parts = regex.split(r"\{(\w+\+?)\}", template.rstrip("/"))
    names = [f"(?P<{name.rstrip('+')}>{'.+' if name.endswith('+') else '[^/]+'})" for name in parts[1::2]]
    fixed = [regex.escape(text) for text in parts[0::2]]
    return "".join(text + name for text, name in zip(fixed, [*names, ""])) + "/?"


def _body(operation: OperationModel, body: bytes) -> dict:
    shape = operation.input_shape
    payload = shape.serialization.get("payload") if shape else None
    if not body:
        return {}
    if payload is None:
        return from_json(shape, json.loads(body))
    if shape.members[payload].type_name != "structure":
        return {payload: body}
    return {payload: _from_xml(shape.members[payload], ElementTree.fromstring(body))}

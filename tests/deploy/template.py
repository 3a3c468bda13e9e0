"""The templates as CloudFormation sees them: transformed by the SAM translator, offline."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

ROOT = Path(__file__).resolve().parents[2]
NESTED = "cloudformation/dynamodb.yml"


def source() -> dict:
    return yaml_parse((ROOT / "template.yaml").read_text())


def nested(name: str = NESTED) -> dict:
    return yaml_parse((ROOT / name).read_text())


def transformed() -> dict:
    """Returns the main template with the URLs of code and nested template that `sam package` would fill in."""
    template = source()
    template["Globals"]["Function"]["CodeUri"] = "s3://artifacts/code"
    template["Resources"]["Table"]["Properties"]["TemplateURL"] = "https://s3.us-east-1.amazonaws.com/artifacts/table"
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    no_managed_policies = SimpleNamespace(load=dict)
    return json.loads(json.dumps(transform(template, {}, no_managed_policies)))

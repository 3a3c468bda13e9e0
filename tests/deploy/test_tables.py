"""tools/copy-records and tools/indexes, with tables and stacks of a local AWS."""

import json
import subprocess
import sys

import pytest

import template
from processes import cloud

KEYS = [{"AttributeName": "ProjectStep", "KeyType": "HASH"}, {"AttributeName": "Mail", "KeyType": "RANGE"}]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    with cloud(tmp_path_factory.mktemp("tables"), "http://127.0.0.1:9") as here:
        yield here


def run(here, tool: str, *arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, template.ROOT / "tools" / tool, *arguments]
    return subprocess.run(command, env=here.environment(), capture_output=True, text=True, timeout=120)


def items(here, table: str) -> list[dict]:
    pages = here.client("dynamodb").get_paginator("scan").paginate(TableName=table)
    return sorted((item for page in pages for item in page["Items"]), key=lambda item: item["Mail"]["S"])


@pytest.mark.parametrize("tool", ["copy-records", "indexes"])
def test_missing_arguments_are_named(here, tool):
    done = run(here, tool)
    assert (done.returncode, done.stderr.startswith(f"usage: tools/{tool} ")) == (1, True)


# ---- copy-records ----------------------------------------------------------------------------------------------------


def record(number: int, **more: str) -> dict:
    values = {"ProjectStep": "Alba-0", "Mail": f"{number:04}é@example.com", "video": f"Alba/0/{number}.webm", **more}
    return {name: {"S": value} for name, value in values.items()}


@pytest.fixture
def tables(here):
    """The original's table and an empty one of ours."""
    dynamodb = here.client("dynamodb")
    for name in ("original", "ours"):
        dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=KEYS,
            AttributeDefinitions=[{"AttributeName": key["AttributeName"], "AttributeType": "S"} for key in KEYS],
        )
    yield dynamodb
    for name in ("original", "ours"):
        dynamodb.delete_table(TableName=name)


def fill(dynamodb, table: str, records: list[dict]):
    for start in range(0, len(records), 25):
        requests = [{"PutRequest": {"Item": record}} for record in records[start : start + 25]]
        assert dynamodb.batch_write_item(RequestItems={table: requests})["UnprocessedItems"] == {}


def test_the_originals_records_are_all_copied_as_they_are_and_again_changes_nothing(here, tables):
    """Longer attributes make several pages: a scan returns at most 1 MB at once."""
    records = [record(number, note="x" * 2000) for number in range(1000)]
    fill(tables, "original", records)
    done = run(here, "copy-records", "original", "ours")
    assert (done.returncode, done.stdout) == (0, "1000 copied, 0 were there already\n"), done.stderr
    assert items(here, "ours") == records

    done = run(here, "copy-records", "original", "ours")
    assert (done.returncode, done.stdout) == (0, "0 copied, 1000 were there already\n"), done.stderr
    assert items(here, "ours") == records


def test_a_record_that_the_target_has_is_left_as_it_is(here, tables):
    fill(tables, "original", [record(1), record(2)])
    newer = record(1, status="ready")
    fill(tables, "ours", [newer])
    done = run(here, "copy-records", "original", "ours")
    assert (done.returncode, done.stdout) == (0, "1 copied, 1 were there already\n"), done.stderr
    assert items(here, "ours") == [newer, record(2)]


def test_a_table_that_does_not_exist_is_a_failure(here, tables):
    fill(tables, "original", [record(1)])
    for arguments in (["no-such-table", "ours"], ["original", "no-such-table"]):
        done = run(here, "copy-records", *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert "ResourceNotFoundException" in done.stderr


# ---- indexes ---------------------------------------------------------------------------------------------------------


def of_an_earlier_version() -> dict:
    """Returns the table's template with the three indexes that it had before the list was sorted."""
    old = json.loads(json.dumps(template.nested()))
    table = old["Resources"]["Table"]["Properties"]
    keys = {"video-index": ["video"], "mail-index": ["Mail", "ProjectStep"], "open-index": ["open", "uploadedAt"]}
    table["GlobalSecondaryIndexes"] = [
        {
            "IndexName": name,
            "KeySchema": [
                {"AttributeName": attribute, "KeyType": kind} for attribute, kind in zip(attributes, ["HASH", "RANGE"])
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
        for name, attributes in keys.items()
    ]
    table["AttributeDefinitions"] = [
        {"AttributeName": name, "AttributeType": "S"} for name in ["ProjectStep", "Mail", "video", "open", "uploadedAt"]
    ]
    return old


def schemas(indexes: list[dict]) -> dict:
    return {index["IndexName"]: index["KeySchema"] for index in indexes}


def test_an_index_an_update_brings_an_older_table_to_the_schema_of_the_template(here):
    formation, dynamodb = here.client("cloudformation"), here.client("dynamodb")
    formation.create_stack(
        StackName="older",
        TemplateBody=json.dumps(of_an_earlier_version()),
        Parameters=[{"ParameterKey": "TableName", "ParameterValue": "older-records"}],
    )
    formation.get_waiter("stack_create_complete").wait(StackName="older", WaiterConfig={"Delay": 1})
    fill(dynamodb, "older-records", [record(1)])

    def updates() -> list[str]:
        events = formation.describe_stack_events(StackName="older")["StackEvents"]
        return [event["ResourceStatus"] for event in events if event["LogicalResourceId"] == "Table"]

    done = run(here, "indexes", "older")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split(" …")[0] for line in done.stdout.splitlines()[:-1]] == [
        "creating status-index",
        "creating project-index",
        "creating step-index",
        "creating mail-list-index",
        "creating outbox-index",
        "deleting mail-index",
        "deleting open-index",
    ]
    assert updates().count("UPDATE_COMPLETE") == 7
    table = dynamodb.describe_table(TableName="older-records")["Table"]
    wanted = template.nested()["Resources"]["Table"]["Properties"]
    assert schemas(table["GlobalSecondaryIndexes"]) == schemas(wanted["GlobalSecondaryIndexes"])
    by_name = sorted(wanted["AttributeDefinitions"], key=lambda definition: definition["AttributeName"])
    assert sorted(table["AttributeDefinitions"], key=lambda definition: definition["AttributeName"]) == by_name
    assert items(here, "older-records") == [record(1)]

    done = run(here, "indexes", "older")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1), done.stderr
    assert updates().count("UPDATE_COMPLETE") == 7

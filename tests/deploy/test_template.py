"""Every property that the deployment promises, checked on the transformed template; and the linters."""

import json
import re
import subprocess

import pytest
from samcli.lib.config.samconfig import SamConfig

import template

T = template.transformed()
RESOURCES = T["Resources"]
TABLE = template.nested()["Resources"]["Table"]
FUNCTIONS = ["ApiFunction", "EventsFunction"]
BUCKETS = ["MediaBucket", "OutputBucket"]
DEPLOYMENTS = ["default", "staging", "production"]
# Rules of whoever waits for a video, each with its condition.
LISTENERS = {"WebhookRule": "HasWebhook", "NotifyRule": "HasNotifyEmail"}
ROLES = {
    name: resource
    for name, resource in {**RESOURCES, **template.nested("cloudformation/elastictranscoder.yml")["Resources"]}.items()
    if resource["Type"] == "AWS::IAM::Role"
}


def properties(name: str) -> dict:
    return RESOURCES[name]["Properties"]


def of_type(kind: str) -> list[str]:
    return [name for name, resource in RESOURCES.items() if resource["Type"] == kind]


def statements(role: dict) -> list[dict]:
    """Returns every statement of a role's own policies, under whatever condition."""
    found = []
    for policy in role["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            choices = statement["Fn::If"][1:] if "Fn::If" in statement else [statement]
            found += [choice for choice in choices if "Effect" in choice]
    return found


def as_list(value) -> list:
    return value if isinstance(value, list) else [value]


# ---- Linters ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def transformed_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("template") / "transformed.json"
    file.write_text(json.dumps(T))
    return file


def run(*command) -> subprocess.CompletedProcess:
    environment = {**__import__("os").environ, "AWS_DEFAULT_REGION": "us-east-1"}
    return subprocess.run(command, cwd=template.ROOT, env=environment, capture_output=True, text=True, timeout=120)


def test_cfn_lint_finds_nothing_in_the_sources():
    nested = sorted(str(file.relative_to(template.ROOT)) for file in template.ROOT.glob("cloudformation/*.yml"))
    assert len(nested) == 3
    # CloudFront's web ACLs are in us-east-1, and so is its whole template.
    result = run("cfn-lint", "--regions", "us-east-1", "--", "template.yaml", *nested)
    assert (result.returncode, result.stdout) == (0, "")


def test_cloudfront_caches_nothing_and_limits_each_address():
    resources = template.nested("cloudformation/cloudfront.yml")["Resources"]
    behavior = resources["Distribution"]["Properties"]["DistributionConfig"]["DefaultCacheBehavior"]
    assert behavior["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    assert {"POST", "DELETE"} <= set(behavior["AllowedMethods"])
    (rule,) = resources["WebAcl"]["Properties"]["Rules"]
    assert rule["Statement"]["RateBasedStatement"]["Limit"] == {"Ref": "RequestsPerAddress"}
    assert rule["Action"] == {"Block": {}}


def test_cfn_lint_finds_nothing_in_the_transformed_template(transformed_file):
    result = run("cfn-lint", str(transformed_file))
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_sam_validate_finds_nothing(deployment):
    result = run("sam", "validate", "--lint", "--config-env", deployment)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "is a valid SAM Template" in result.stdout


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_a_deployment_acknowledges_what_the_template_needs(deployment):
    """Roles need CAPABILITY_IAM; a nested stack with the SAM transform needs CAPABILITY_AUTO_EXPAND."""
    assert template.source()["Transform"] and of_type("AWS::CloudFormation::Stack") and of_type("AWS::IAM::Role")
    config = SamConfig(str(template.ROOT), "samconfig.toml").get_all(["deploy"], "parameters", env=deployment)
    assert config["capabilities"].split() == ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
    assert config["confirm_changeset"] is False


def test_no_resource_depends_on_itself():
    """Linting the source misses the cycle bucket -> permission -> function -> role -> bucket."""

    def mentions(node) -> set[str]:
        if isinstance(node, list):
            return set().union(*map(mentions, node)) if node else set()
        if not isinstance(node, dict):
            return set()
        found = set().union(*map(mentions, node.values())) if node else set()
        if isinstance(node.get("Ref"), str):
            found.add(node["Ref"])
        if "Fn::GetAtt" in node:
            found.add(as_list(node["Fn::GetAtt"])[0].split(".")[0])
        if "Fn::Sub" in node:
            text, *own = as_list(node["Fn::Sub"])
            own_names = own[0].keys() if own else set()
            found |= {name.split(".")[0] for name in re.findall(r"\$\{([^!}]+)\}", text)} - set(own_names)
        return found

    depends_on = {
        name: (mentions(resource) | set(as_list(resource.get("DependsOn", [])))) & RESOURCES.keys()
        for name, resource in RESOURCES.items()
    }
    while free := {name for name, others in depends_on.items() if not others & depends_on.keys()}:
        depends_on = {name: others for name, others in depends_on.items() if name not in free}
    assert not depends_on


# ---- Storage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "resource", [TABLE, *[RESOURCES[name] for name in (*BUCKETS, "DeadLetters", "UndeliveredEvents")]]
)
def test_data_outlives_the_stack(resource):
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_the_table_is_protected_encrypted_and_paid_per_request():
    table = TABLE["Properties"]
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["SSESpecification"] == {"SSEEnabled": True}
    assert table["DeletionProtectionEnabled"] is True
    assert table["BillingMode"] == "PAY_PER_REQUEST"


def test_the_table_has_the_schema_of_the_code():
    def keys(schema):
        return [(key["AttributeName"], key["KeyType"]) for key in schema]

    table = TABLE["Properties"]
    assert keys(table["KeySchema"]) == [("ProjectStep", "HASH"), ("Mail", "RANGE")]
    indexes = {index["IndexName"]: index for index in table["GlobalSecondaryIndexes"]}
    assert {name: keys(index["KeySchema"]) for name, index in indexes.items()} == {
        "video-index": [("video", "HASH")],
        "status-index": [("status", "HASH"), ("listedAt", "RANGE")],
        "project-index": [("project", "HASH"), ("status", "HASH"), ("listedAt", "RANGE")],
        "step-index": [("ProjectStep", "HASH"), ("status", "HASH"), ("listedAt", "RANGE")],
        "mail-list-index": [("Mail", "HASH"), ("listedAt", "RANGE")],
        "outbox-index": [("open", "HASH"), ("openSince", "RANGE")],
    }
    assert all(index["Projection"] == {"ProjectionType": "KEYS_ONLY"} for index in indexes.values())
    attributes = {item["AttributeName"]: item["AttributeType"] for item in table["AttributeDefinitions"]}
    # DynamoDB accepts the definition of an attribute only if a key uses it.
    schemas = [table["KeySchema"], *(index["KeySchema"] for index in indexes.values())]
    assert attributes == dict.fromkeys({name for schema in schemas for name, _ in keys(schema)}, "S")


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_bucket_is_encrypted_and_versioned(bucket):
    bucket = properties(bucket)
    encryption = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption == [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_bucket_deletes_old_versions_and_unfinished_uploads_and_nothing_else(bucket):
    """MiniStack accepts a lifecycle without acting on it, so that only this looks at it."""
    rules = {rule["Id"]: rule for rule in properties(bucket)["LifecycleConfiguration"]["Rules"]}
    # No rule has a filter or an expiration of its own: each covers the whole bucket and no current version.
    assert rules == {
        "ExpireOldVersions": {
            "Id": "ExpireOldVersions",
            "Status": "Enabled",
            "NoncurrentVersionExpiration": {"NoncurrentDays": {"Ref": "NoncurrentVersionDays"}},
        },
        "AbortUnfinishedUploads": {
            "Id": "AbortUnfinishedUploads",
            "Status": "Enabled",
            # Whatever is begun without a form is S3's to keep until then.
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1 if bucket == "MediaBucket" else 7},
        },
    }
    assert T["Parameters"]["NoncurrentVersionDays"]["MinValue"] == 1


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_bucket_is_reached_over_tls_only(bucket):
    (policy,) = [
        properties(name)["PolicyDocument"]
        for name in of_type("AWS::S3::BucketPolicy")
        if properties(name)["Bucket"] == {"Ref": bucket}
    ]
    (statement,) = policy["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [{"Fn::GetAtt": [bucket, "Arn"]}, {"Fn::Sub": f"${{{bucket}.Arn}}/*"}]


def test_buckets_accept_no_acl_unless_one_is_configured():
    media = properties("MediaBucket")
    assert media["OwnershipControls"]["Rules"] == [
        {"ObjectOwnership": {"Fn::If": ["HasAcl", "ObjectWriter", "BucketOwnerEnforced"]}}
    ]
    assert properties("OutputBucket")["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert T["Parameters"]["UploadAcl"]["Default"] == ""


def test_public_access_is_blocked_unless_a_public_acl_is_configured():
    everything = dict.fromkeys(
        ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"], True
    )
    assert properties("OutputBucket")["PublicAccessBlockConfiguration"] == everything
    unless_public = {"Fn::If": ["HasPublicAcl", False, True]}
    assert properties("MediaBucket")["PublicAccessBlockConfiguration"] == {
        **everything,
        "BlockPublicAcls": unless_public,
        "IgnorePublicAcls": unless_public,
    }


def test_browsers_may_upload_from_the_allowed_origin_and_from_the_api_itself():
    (rule,) = properties("MediaBucket")["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedMethods"] == ["POST", "PUT"]
    api_origin = {"Fn::Sub": "https://${HttpApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}"}
    assert rule["AllowedOrigins"] == [{"Ref": "AllowedOrigin"}, api_origin]
    assert T["Outputs"]["ApiUrl"]["Value"] == api_origin
    assert rule["AllowedHeaders"] == ["*"]
    assert rule["ExposedHeaders"] == ["ETag", "Location"]


def test_every_created_object_invokes_the_events_function():
    (notification,) = properties("MediaBucket")["NotificationConfiguration"]["LambdaConfigurations"]
    assert notification == {"Event": "s3:ObjectCreated:*", "Function": {"Fn::GetAtt": ["EventsFunction", "Arn"]}}


def test_results_are_announced_to_eventbridge_and_to_nothing_in_this_stack():
    assert properties("OutputBucket")["NotificationConfiguration"] == {
        "EventBridgeConfiguration": {"EventBridgeEnabled": True}
    }
    sources = [properties(rule).get("EventPattern", {}).get("source") for rule in of_type("AWS::Events::Rule")]
    assert ["aws.s3"] not in sources


# ---- Functions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_runs_on_al2023_on_the_chosen_processor(function):
    function = properties(function)
    assert function["Runtime"] == "provided.al2023"
    assert function["Architectures"] == [{"Ref": "Architecture"}]
    assert T["Parameters"]["Architecture"]["Default"] == "arm64"
    assert T["Parameters"]["Architecture"]["AllowedValues"] == ["arm64", "x86_64"]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_stops_loops_logs_json_and_can_have_reserved_concurrency(function):
    function = properties(function)
    assert function["RecursiveLoop"] == "Terminate"
    assert function["LoggingConfig"]["LogFormat"] == "JSON"
    assert function["ReservedConcurrentExecutions"]["Fn::If"][2] == {"Ref": "AWS::NoValue"}


def test_the_events_function_ends_before_its_lease_does():
    function = properties("EventsFunction")
    assert function["Timeout"] < int(function["Environment"]["Variables"]["UPLOAD_LEASE_SECONDS"])


def test_a_failed_event_is_retried_twice_and_then_kept():
    (config,) = [properties(name) for name in of_type("AWS::Lambda::EventInvokeConfig")]
    assert config["FunctionName"] == {"Ref": "EventsFunction"}
    assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (2, 6 * 60 * 60)
    assert config["DestinationConfig"]["OnFailure"] == {"Destination": {"Fn::GetAtt": ["DeadLetters", "Arn"]}}


@pytest.mark.parametrize("rule", of_type("AWS::Events::Rule"))
def test_a_rule_retries_and_keeps_what_it_cannot_deliver(rule):
    for target in properties(rule)["Targets"]:
        assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0
        assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] >= 60
        # What others did not take must not be redriven to the events function.
        queue = "UndeliveredEvents" if rule in LISTENERS else "DeadLetters"
        assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": [queue, "Arn"]}}
    policies = [properties(name) for name in of_type("AWS::SQS::QueuePolicy")]
    (policy,) = [policy for policy in policies if policy["Queues"] == [{"Ref": queue}]]
    allowed = policy["PolicyDocument"]["Statement"][0]
    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert allowed["Action"] == "sqs:SendMessage"
    sources = allowed["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert {"Fn::GetAtt": [rule, "Arn"]} in [source.get("Fn::If", [None, source])[1] for source in sources]


@pytest.mark.parametrize("rule", LISTENERS)
def test_results_and_nothing_else_are_told_to_the_webhook_and_by_mail(rule):
    assert properties(rule)["EventPattern"] == {"source": ["video"], "detail-type": ["Video Ready", "Video Failed"]}
    assert RESOURCES[rule]["Condition"] == LISTENERS[rule]
    assert [T["Parameters"][name]["Default"] for name in ("WebhookUrl", "NotifyEmail")] == ["", ""]


def test_the_webhook_is_posted_to_with_a_generated_secret_over_https():
    destination, connection = properties("WebhookDestination"), properties("WebhookConnection")
    assert (destination["HttpMethod"], destination["InvocationEndpoint"]) == ("POST", {"Ref": "WebhookUrl"})
    assert not re.match(T["Parameters"]["WebhookUrl"]["AllowedPattern"], "http://example.com")
    assert connection["AuthParameters"]["ApiKeyAuthParameters"] == {
        "ApiKeyName": "X-Webhook-Secret",
        "ApiKeyValue": {"Fn::Sub": "{{resolve:secretsmanager:${WebhookSecret}:SecretString}}"},
    }
    assert properties("WebhookSecret")["GenerateSecretString"]["PasswordLength"] >= 32
    assert granted("WebhookRole", "events") == {"InvokeApiDestination": [{"Fn::GetAtt": ["WebhookDestination", "Arn"]}]}


def test_only_its_rule_publishes_to_the_mail_topic_and_no_mail_of_a_person_is_in_the_text():
    (statement,) = properties("NotifyTopicPolicy")["PolicyDocument"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == ("sns:Publish", {"Ref": "NotifyTopic"})
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["NotifyRule", "Arn"]}}}
    (target,) = properties("NotifyRule")["Targets"]
    paths = target["InputTransformer"]["InputPathsMap"]
    assert paths == {"video": "$.detail.video", "status": "$.detail.status", "error": "$.detail.error"}
    names = set(re.findall("<([a-z]+)>", target["InputTransformer"]["InputTemplate"]))
    assert names == paths.keys()


def test_progress_and_every_end_of_a_mediaconvert_job_reach_the_events_function():
    detail = properties("MediaConvertRule")["EventPattern"]["detail"]
    assert detail["status"] == ["PROGRESSING", "STATUS_UPDATE", "COMPLETE", "ERROR", "CANCELED"]


def test_dead_letters_are_kept_for_as_long_as_sqs_keeps_anything():
    assert properties("DeadLetters")["MessageRetentionPeriod"] == 14 * 24 * 60 * 60
    assert properties("DeadLetters")["SqsManagedSseEnabled"] is True


def test_a_received_dead_letter_is_visible_again_after_two_minutes():
    assert properties("DeadLetters")["VisibilityTimeout"] == 120


def test_requests_to_retry_or_erase_wake_the_events_function_and_its_own_events_do_not():
    rule = properties("RequestRule")
    assert rule["EventPattern"] == {
        "source": ["video"],
        "detail-type": ["Video Retry Requested", "Video Erase Requested"],
    }
    (target,) = rule["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["EventsFunction", "Arn"]}
    assert not {"Input", "InputPath", "InputTransformer"} & target.keys()
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 24 * 60 * 60}
    permissions = [properties(name) for name in of_type("AWS::Lambda::Permission")]
    (permission,) = [p for p in permissions if p["SourceArn"] == {"Fn::GetAtt": ["RequestRule", "Arn"]}]
    assert (permission["FunctionName"], permission["Principal"]) == ({"Ref": "EventsFunction"}, "events.amazonaws.com")


def test_the_sweep_runs_every_quarter_of_an_hour():
    (rule,) = [properties(name) for name in of_type("AWS::Events::Rule") if "ScheduleExpression" in properties(name)]
    assert rule["ScheduleExpression"] == "rate(15 minutes)"
    assert json.loads(rule["Targets"][0]["Input"]) == {"source": "video-events", "detail-type": "Sweep"}


@pytest.mark.parametrize("permission", of_type("AWS::Lambda::Permission"))
def test_only_named_callers_may_invoke_a_function(permission):
    permission = properties(permission)
    assert permission["Action"] == "lambda:InvokeFunction"
    assert "SourceArn" in permission
    assert ("SourceAccount" in permission) == (permission["Principal"] == "s3.amazonaws.com")


def test_every_variable_is_one_that_the_code_reads():
    core = template.ROOT / "crates/core/src"
    code = "".join((core / name).read_text() for name in ("config.rs", "max_video.rs", "transcoder/config.rs"))
    for function in FUNCTIONS:
        for variable in properties(function)["Environment"]["Variables"]:
            assert f'"{variable}"' in code, variable


@pytest.mark.parametrize(
    "parameter, variable, default, limits",
    [
        ("RetentionDays", "RETENTION_DAYS", 0, (0, 36500)),
        ("UnusedFormDays", "UNUSED_FORM_DAYS", 30, (0, 36500)),
        ("MaxUploadsPerVideo", "MAX_UPLOADS_PER_VIDEO", 20, (1, 1_000_000)),
        ("MaxVideoMinutes", "MAX_VIDEO_MINUTES", 60, (0, 1439)),
    ],
)
def test_only_the_events_function_knows_what_is_kept_and_what_gets_a_job(parameter, variable, default, limits):
    allowed = T["Parameters"][parameter]
    assert (allowed["Default"], allowed["MinValue"], allowed["MaxValue"]) == (default, *limits)
    assert properties("EventsFunction")["Environment"]["Variables"][variable] == {"Ref": parameter}
    assert variable not in properties("ApiFunction")["Environment"]["Variables"]


# ---- Permissions -----------------------------------------------------------------------------------------------------


def bucket_named(name: str, objects: str = "") -> dict:
    """Returns the ARN of a bucket, or of its objects, as the policies spell it."""
    number = {"StackNumber": {"Fn::Select": [2, {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}]}}
    return {"Fn::Sub": [f"arn:${{AWS::Partition}}:s3:::video-{name}-${{StackNumber}}{objects}", number]}


def granted(role: str, service: str) -> dict[str, list]:
    """Returns a role's actions of one service, each with the resources for which it is granted."""
    found: dict[str, list] = {}
    for statement in statements(ROLES[role]):
        for action in as_list(statement["Action"]):
            if action.startswith(f"{service}:"):
                found.setdefault(action.removeprefix(f"{service}:"), []).extend(as_list(statement["Resource"]))
    return found


RECORDS = {"Fn::GetAtt": ["Table", "Outputs.TableArn"]}
INDEXES = {"Fn::Sub": "${Table.Outputs.TableArn}/index/*"}
MEDIA, OUTPUT = bucket_named("media"), bucket_named("output")
UPLOADS, RESULTS = bucket_named("media", "/*"), bucket_named("output", "/*")


def test_the_api_reads_and_updates_records_and_never_scans():
    only_records = dict.fromkeys(["GetItem", "BatchGetItem", "UpdateItem"], [RECORDS])
    assert granted("ApiRole", "dynamodb") == {**only_records, "Query": [RECORDS, INDEXES]}


def test_the_api_signs_forms_and_links_and_learns_that_an_upload_is_missing():
    assert granted("ApiRole", "s3") == {
        "PutObject": [UPLOADS],
        "GetObject": [UPLOADS, RESULTS],
        "ListBucket": [MEDIA],
        "PutObjectAcl": [UPLOADS],
        "ListMultipartUploadParts": [UPLOADS],
        "AbortMultipartUpload": [UPLOADS],
    }


def test_the_events_function_writes_deletes_and_scans_records():
    only_records = dict.fromkeys(["GetItem", "PutItem", "UpdateItem", "DeleteItem", "Scan"], [RECORDS])
    assert granted("EventsRole", "dynamodb") == {**only_records, "Query": [RECORDS, INDEXES]}


def test_the_events_function_finds_and_deletes_versions_and_reads_no_video():
    assert granted("EventsRole", "s3") == {
        "ListBucket": [MEDIA, OUTPUT],
        "ListBucketVersions": [MEDIA, OUTPUT],
        "ListBucketMultipartUploads": [MEDIA],
        "DeleteObject": [UPLOADS, RESULTS],
        "DeleteObjectVersion": [UPLOADS, RESULTS],
        "AbortMultipartUpload": [UPLOADS],
    }


def test_no_other_role_may_delete_anything():
    actions = {role: [a for s in statements(ROLES[role]) for a in as_list(s["Action"])] for role in ROLES}
    assert {role for role in ROLES if re.search("Delete|Cancel", " ".join(actions[role]))} == {"EventsRole"}
    # Only what is no object yet can be aborted.
    assert {role for role in ROLES if re.search("Abort", " ".join(actions[role]))} == {"ApiRole", "EventsRole"}


@pytest.mark.parametrize("role", ["ApiRole", "EventsRole"])
def test_both_functions_put_events_on_the_default_bus_only(role):
    bus = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/${Bus}"
    assert granted(role, "events") == {"PutEvents": [{"Fn::Sub": [bus, {"Bus": "default"}]}]}


@pytest.mark.parametrize(
    "transcoder, creating, reading",
    [
        ("mediaconvert", {"CreateJob", "ListJobs", "SearchJobs"}, {"GetJob", "CancelJob"}),
        ("elastictranscoder", {"CreateJob", "ListJobsByPipeline"}, {"ReadJob", "CancelJob"}),
    ],
)
def test_jobs_are_created_listed_read_and_cancelled(transcoder, creating, reading):
    jobs = granted("EventsRole", transcoder)
    assert jobs.keys() == creating | reading
    (of_a_job,) = {json.dumps(jobs[action]) for action in reading}
    assert of_a_job.endswith('/*"}]')


@pytest.mark.parametrize("role", ROLES)
def test_a_role_names_its_actions_and_resources(role):
    assert "ManagedPolicyArns" not in ROLES[role]["Properties"]
    for statement in statements(ROLES[role]):
        assert all("*" not in action for action in as_list(statement["Action"])), statement
        assert "*" not in as_list(statement["Resource"]), statement


def test_functions_have_roles_of_their_own():
    assert properties("ApiFunction")["Role"] == {"Fn::GetAtt": ["ApiRole", "Arn"]}
    assert properties("EventsFunction")["Role"] == {"Fn::GetAtt": ["EventsRole", "Arn"]}


def test_a_role_can_be_passed_to_mediaconvert_only():
    (statement,) = [s for role in ROLES.values() for s in statements(role) if s["Action"] == "iam:PassRole"]
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "mediaconvert.amazonaws.com"}}
    assert statement["Resource"] == {"Fn::GetAtt": ["MediaConvertRole", "Arn"]}


def test_mediaconvert_may_assume_its_role_for_a_job_of_any_queue_of_the_account():
    """Jobs of the old queue still need the role after MediaConvertQueueArn has changed."""
    (statement,) = ROLES["MediaConvertRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    queues = "arn:${AWS::Partition}:mediaconvert:${AWS::Region}:${AWS::AccountId}:queues/*"
    assert statement["Principal"] == {"Service": "mediaconvert.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
        "ArnLike": {"aws:SourceArn": {"Fn::Sub": queues}},
    }


def test_elastic_transcoder_jobs_are_submitted_to_one_pipeline_with_one_preset():
    (statement,) = [s for s in statements(ROLES["EventsRole"]) if "elastictranscoder:CreateJob" in s["Action"]]
    prefix = "arn:${AWS::Partition}:elastictranscoder:${AWS::Region}:${AWS::AccountId}:"
    assert statement["Resource"] == [
        {"Fn::Sub": [prefix + "pipeline/${Pipeline}", {"Pipeline": {"Ref": "PipelineId"}}]},
        {"Fn::Sub": [prefix + "preset/${Web}", {"Web": "1351620000001-100070"}]},
    ]


def test_the_permission_to_set_acls_is_granted_only_with_an_acl():
    conditional = [
        statement
        for policy in ROLES["ApiRole"]["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        if "s3:PutObjectAcl" in json.dumps(statement)
    ]
    assert [statement["Fn::If"][0] for statement in conditional] == ["HasAcl"]


def test_the_key_of_upload_links_is_generated_and_long():
    secret = properties("UploadLinkSecret")["GenerateSecretString"]
    assert secret == {"PasswordLength": 64, "ExcludePunctuation": True}


def test_the_admins_password_is_generated():
    secret = properties("AdminSecret")["GenerateSecretString"]
    assert secret["GenerateStringKey"] == "password"
    assert secret["PasswordLength"] >= 32
    assert "SecretString" not in properties("AdminSecret")


# ---- Operation -------------------------------------------------------------------------------------------------------


def test_the_api_is_throttled_and_its_access_log_has_neither_paths_nor_query_strings():
    (stage,) = [properties(name) for name in of_type("AWS::ApiGatewayV2::Stage")]
    assert stage["DefaultRouteSettings"] == {
        "ThrottlingRateLimit": {"Ref": "ThrottlingRateLimit"},
        "ThrottlingBurstLimit": {"Ref": "ThrottlingBurstLimit"},
    }
    parameters = T["Parameters"]
    assert [parameters[f"Throttling{limit}Limit"]["Default"] for limit in ("Rate", "Burst")] == [200, 500]
    log = json.loads(stage["AccessLogSettings"]["Format"])
    assert log["route"] == "$context.routeKey"
    # The variables that contain, or may contain, the path with a link's token, or the query string with a mail.
    forbidden = {"$context.path", "$context.requestOverride", "$context.customDomain.basePathMatched"}
    assert not forbidden & set(log.values())
    assert "query" not in stage["AccessLogSettings"]["Format"].lower()


def test_every_route_with_a_token_is_one_of_the_template():
    paths = next(properties(name) for name in of_type("AWS::ApiGatewayV2::Api"))["Body"]["paths"]
    assert {path for path in paths if "{token}" in path} == {
        "/u/{token}",
        "/u/{token}/video",
        "/u/{token}/presignedurl",
        "/u/{token}/s3/{proxy+}",
    }
    assert "/$default" in paths, "what is no route gets the API's own 404"


def test_logs_expire():
    groups = of_type("AWS::Logs::LogGroup")
    assert len(groups) == 3
    assert all(properties(group)["RetentionInDays"] == {"Ref": "LogRetentionDays"} for group in groups)


@pytest.mark.parametrize("alarm", of_type("AWS::CloudWatch::Alarm"))
def test_an_alarm_is_published_and_documented(alarm):
    assert properties(alarm)["AlarmActions"] == [{"Ref": "AlarmTopic"}]
    assert properties(alarm)["TreatMissingData"] == "notBreaching"
    assert alarm in (template.ROOT / "docs/DEPLOY.md").read_text()


@pytest.mark.parametrize(
    "alarm, metric, reached, seconds",
    [
        ("DeadLettersAlarm", "AWS/SQS ApproximateNumberOfMessagesVisible", "Maximum > 0", 300),
        ("UndeliveredEventsAlarm", "AWS/SQS ApproximateNumberOfMessagesVisible", "Maximum > 0", 300),
        ("EventsLostAlarm", "AWS/Lambda DestinationDeliveryFailures", "Sum > 0", 300),
        ("EventsErrorsAlarm", "AWS/Lambda Errors", "Sum > 0", 900),
        ("EventsLateAlarm", "AWS/Lambda AsyncEventAge", "Maximum > 900000", 600),
        ("ApiErrorsAlarm", "AWS/ApiGateway 5xx", "Sum >= 5", 300),
        ("ApiThrottlesAlarm", "AWS/Lambda Throttles", "Sum >= 5", 300),
        ("JobsFailedAlarm", "AWS/MediaConvert JobsErroredCount", "Sum >= 5", 3600),
        ("JobsPerHourAlarm", "Video Jobs", "Sum > {'Ref': 'JobsPerHourAlarmThreshold'}", 3600),
        ("MalformedEventsAlarm", "Video Malformed", "Sum > 0", 300),
    ],
)
def test_an_alarm_goes_off_when_the_documentation_says(alarm, metric, reached, seconds):
    alarm = properties(alarm)
    operators = {"GreaterThanThreshold": ">", "GreaterThanOrEqualToThreshold": ">="}
    assert f"{alarm['Namespace']} {alarm['MetricName']}" == metric
    assert f"{alarm['Statistic']} {operators[alarm['ComparisonOperator']]} {alarm['Threshold']}" == reached
    assert alarm["Period"] * alarm["EvaluationPeriods"] == seconds


def test_every_metric_of_our_own_is_watched():
    """By an alarm or in the dashboard, of the function that writes it."""
    code = (template.ROOT / "crates/core/src/metrics.rs").read_text()
    written = set(re.findall(r'Metric::\w+ => "(\w+)"', code)) | set(re.findall(r'write\("(\w+)"', code))
    widgets = json.loads(properties("Dashboard")["DashboardBody"]["Fn::Sub"])["widgets"]
    shown = [metric for widget in widgets for metric in widget["properties"]["metrics"]]
    assert {metric[1] for metric in shown if metric[0] == "Video"} == written
    assert {metric[3] for metric in shown if metric[0] == "Video"} == {"${EventsFunction}"}
    (dimension,) = properties("JobsPerHourAlarm")["Dimensions"]
    assert dimension == {"Name": "FunctionName", "Value": {"Ref": "EventsFunction"}}


def test_a_budget_is_created_only_with_an_amount_and_somebody_to_tell():
    assert RESOURCES["Budget"]["Condition"] == "HasBudget"
    assert T["Parameters"]["MonthlyBudgetUsd"]["Default"] == 0
    assert T["Rules"]["ABudgetNeedsSomebodyToTell"]["Assertions"][0]["Assert"]
    told = properties("Budget")["NotificationsWithSubscribers"]
    assert [one["Notification"]["NotificationType"] for one in told] == ["ACTUAL", "FORECASTED"]


def test_failed_jobs_are_counted_in_the_queue_that_jobs_are_submitted_to():
    """Only there: jobs of other systems in the default queue set off no alarm."""
    (dimension,) = properties("JobsFailedAlarm")["Dimensions"]
    submitted_to = properties("EventsFunction")["Environment"]["Variables"]["MEDIACONVERT_QUEUE_ARN"]
    assert dimension == {"Name": "Queue", "Value": submitted_to}


def test_a_stack_has_a_mediaconvert_queue_of_its_own_unless_one_is_named():
    queue, named = RESOURCES["MediaConvertQueue"], {"Ref": "MediaConvertQueueArn"}
    assert queue["Condition"] == "CreatesMediaConvertQueue"
    assert queue["Properties"]["PricingPlan"] == "ON_DEMAND"
    assert T["Conditions"]["CreatesMediaConvertQueue"] == {"Fn::Not": [{"Condition": "HasMediaConvertQueue"}]}
    chosen = {"Fn::If": ["HasMediaConvertQueue", named, {"Fn::GetAtt": ["MediaConvertQueue", "Arn"]}]}
    assert properties("EventsFunction")["Environment"]["Variables"]["MEDIACONVERT_QUEUE_ARN"] == chosen
    (submitted,) = [s for s in statements(ROLES["EventsRole"]) if "mediaconvert:CreateJob" in s["Action"]]
    assert submitted["Resource"] == chosen


@pytest.mark.parametrize("section", ["Parameters", "Outputs"])
def test_every_parameter_and_output_is_documented(section):
    documentation = (template.ROOT / "docs/DEPLOY.md").read_text()
    assert [name for name in T[section] if f"`{name}`" not in documentation] == []


def test_every_parameter_has_a_default():
    assert [name for name, parameter in T["Parameters"].items() if "Default" not in parameter] == []


def test_elastic_transcoder_is_refused_without_its_pipeline():
    rule = T["Rules"]["ElasticTranscoderNeedsItsPipeline"]
    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "Transcoder"}, "elastictranscoder"]}
    assert len(rule["Assertions"]) == 2

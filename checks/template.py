"""What template.yaml keeps to beyond what cfn-lint looks at."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from checks.cloudformation import Resource, Template, read_template
from checks.command import run

_RUNTIME = "python3.13"
_ARCHITECTURES = ["arm64"]
_PUBLIC_ACCESS_BLOCKS = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
# These have no resource: log delivery (Step Functions developer guide, "Logging in CloudWatch Logs"), and an answer to
# who waits, which a task token alone names.
_WITHOUT_RESOURCE = frozenset(
    {
        "logs:CreateLogDelivery",
        "logs:GetLogDelivery",
        "logs:UpdateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:DescribeResourcePolicies",
        "logs:DescribeLogGroups",
        "states:SendTaskSuccess",
    }
)
# Whoever calls these shows in another way who he is: everything else takes an API key of the stack.
_ROUTES_WITHOUT_KEY = frozenset({("POST", "/webhooks/{provider}")})
# What calls a function without waiting for its answer: both the call and the function may fail unseen.
_ASYNCHRONOUS_EVENTS = frozenset({"CloudWatchEvent", "EventBridgeRule", "Schedule", "ScheduleV2"})
_PHYSICAL_NAMES = frozenset(
    {
        "AlarmName",
        "BucketName",
        "DashboardName",
        "FunctionName",
        "GroupName",
        "LayerName",
        "LogGroupName",
        "ManagedPolicyName",
        "Name",
        "PolicyName",
        "QueueName",
        "RoleName",
        "StateMachineName",
        "TableName",
        "TopicName",
    }
)


def check_template(root: Path) -> list[str]:
    """Find what cfn-lint finds, and what breaks a rule of this project."""
    return [*_lint(root), *check_rules(root)]


def check_rules(root: Path) -> list[str]:
    """Find what breaks a rule of this project."""
    template = read_template(root / "template.yaml")
    findings = [
        f"template.yaml:{line}: an anchor or alias; not everything that reads a template knows them"
        for line in template.alias_lines
    ]
    findings += [f"template.yaml: Globals: {finding}" for finding in _check_globals(template)]
    for name, resource in template.resources.items():
        found = [
            *_check_statements(resource),
            *_check_name(resource),
            *_check_dead_letters(resource),
            *_check_by_type(name, resource, template),
        ]
        findings += [f"template.yaml:{resource.line}: {name}: {finding}" for finding in found]
    return findings


def _lint(root: Path) -> list[str]:
    done = subprocess.run(
        [Path(sys.executable).parent / "cfn-lint", "--format", "parseable", "template.yaml"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        return (done.stdout + done.stderr).splitlines()
    return []


def _check_globals(template: Template) -> Iterator[str]:
    if template.globals.get("Runtime") != _RUNTIME:
        yield f"the Runtime must be {_RUNTIME}"
    if template.globals.get("Architectures") != _ARCHITECTURES:
        yield f"the Architectures must be {_ARCHITECTURES}"
    if not template.globals.get("LoggingConfig", {}).get("LogGroup"):
        # Lambda would make a group for each function, and keep it for ever.
        yield "LoggingConfig must name a LogGroup of this template"


def _check_statements(resource: Resource) -> Iterator[str]:
    for statement in _find_statements(resource.properties):
        for key in statement.keys() & {"NotAction", "NotResource"}:
            yield f"a statement must name what it is about, not what it is not: {key}"
        actions = _as_list(statement.get("Action"))
        is_denied = statement["Effect"] == "Deny"
        for action in actions:
            if "*" in str(action) and not (is_denied and action == "s3:*"):
                yield f"the action {action} names more than it needs"
        if "*" in _as_list(statement.get("Resource")) and not _WITHOUT_RESOURCE.issuperset(map(str, actions)):
            yield f'the Resource of {", ".join(map(str, actions))} must not be "*"'


def _check_name(resource: Resource) -> Iterator[str]:
    for key in resource.properties.keys() & _PHYSICAL_NAMES:
        name = resource.properties[key]
        # What is got from another resource names that one: an event source mapping, its function.
        is_another = isinstance(name, dict) and "Fn::GetAtt" in name
        if not is_another and "AWS::StackName" not in json.dumps(name):
            yield f"{key} must come from AWS::StackName, or two stacks cannot stand side by side"
    for name, event in resource.properties.get("Events", {}).items():
        properties = event.get("Properties", {})
        is_named = properties.get("OmitName") is True or "AWS::StackName" in json.dumps(properties.get("Name"))
        if event["Type"] == "ScheduleV2" and not is_named:
            # Without either SAM names the schedule by its logical id.
            yield f"the event {name} must have a Name that comes from AWS::StackName, or OmitName"


def _check_dead_letters(resource: Resource) -> Iterator[str]:
    properties = resource.properties
    events: dict[str, Any] = properties.get("Events", {})
    asynchronous = {name: event for name, event in events.items() if event["Type"] in _ASYNCHRONOUS_EVENTS}
    for name, event in asynchronous.items():
        if not event["Properties"].get("DeadLetterConfig"):
            yield f"the event {name} must have a DeadLetterConfig"
    is_function = resource.type == "AWS::Serverless::Function"
    if "EventInvokeConfig" in properties or (asynchronous and is_function):
        configuration = properties.get("EventInvokeConfig", {})
        if not configuration.get("DestinationConfig", {}).get("OnFailure"):
            yield "its EventInvokeConfig must have a DestinationConfig with OnFailure"
    targets = {
        "AWS::Events::Rule": _as_list(properties.get("Targets")),
        "AWS::Scheduler::Schedule": _as_list(properties.get("Target")),
    }
    if any(not target.get("DeadLetterConfig") for target in targets.get(resource.type, [])):
        yield "each of its targets must have a DeadLetterConfig"


def _check_by_type(name: str, resource: Resource, template: Template) -> Iterator[str]:
    if resource.type in {"AWS::Serverless::Function", "AWS::Serverless::StateMachine"}:
        yield from _check_role(resource)
    if resource.type == "AWS::Serverless::Function":
        yield from _check_function(resource)
        yield from _check_routes(resource)
    elif resource.type == "AWS::Serverless::Api":
        yield from _check_throttles(resource, template)
    elif resource.type == "AWS::S3::Bucket":
        yield from _check_bucket(name, resource, template)
    elif resource.type == "AWS::DynamoDB::Table":
        yield from _check_table(resource)
    elif resource.type == "AWS::Logs::LogGroup" and "RetentionInDays" not in resource.properties:
        yield "it must have RetentionInDays"


def _check_role(resource: Resource) -> Iterator[str]:
    if "Role" in resource.properties:
        yield "it must have a role of its own: give it Policies, not a Role"
    for policy in _as_list(resource.properties.get("Policies")):
        if not isinstance(policy, dict) or "Statement" not in policy:
            yield "its Policies must be statements that name their actions, not policies from elsewhere"


def _check_routes(resource: Resource) -> Iterator[str]:
    for name, event in resource.properties.get("Events", {}).items():
        properties = event.get("Properties", {})
        route = (properties.get("Method"), properties.get("Path"))
        if event["Type"] == "Api" and "Auth" in properties and route not in _ROUTES_WITHOUT_KEY:
            yield f"the event {name} must be authorized as every other: it opens {' '.join(map(str, route))}"


def _check_throttles(api: Resource, template: Template) -> Iterator[str]:
    """Find what strangers may call until the throttle of those with a key is used up."""
    settings = {
        (setting.get("HttpMethod"), setting.get("ResourcePath")): setting.get("ThrottlingRateLimit")
        for setting in api.properties.get("MethodSettings", [])
    }
    shared = settings.get(("*", "/*"))
    if shared is None:
        yield "its MethodSettings must have a ThrottlingRateLimit for all routes, * of /*"
        return
    for method, path in _list_open_routes(template):
        own = settings.get((method, "/" + path.replace("/", "~1")))
        if own is None or own >= shared:
            yield f"{method} {path} takes no key: its MethodSettings must have a throttle of its own below {shared}"


def _list_open_routes(template: Template) -> Iterator[tuple[str, str]]:
    for function in template.of_type("AWS::Serverless::Function").values():
        for event in function.properties.get("Events", {}).values():
            properties = event.get("Properties", {})
            if event["Type"] == "Api" and properties.get("Auth", {}).get("Authorizer") == "NONE":
                yield properties["Method"], properties["Path"]


def _check_function(resource: Resource) -> Iterator[str]:
    if resource.properties.get("Runtime", _RUNTIME) != _RUNTIME:
        yield f"its Runtime must be {_RUNTIME}, as the layer's"
    if resource.properties.get("Architectures", _ARCHITECTURES) != _ARCHITECTURES:
        yield f"its Architectures must be {_ARCHITECTURES}, as the layer's"


def _check_bucket(name: str, resource: Resource, template: Template) -> Iterator[str]:
    properties = resource.properties
    blocks: dict[str, Any] = properties.get("PublicAccessBlockConfiguration", {})
    for block in _PUBLIC_ACCESS_BLOCKS:
        if blocks.get(block) is not True:
            yield f"{block} must be true"
    if properties.get("VersioningConfiguration", {}).get("Status") != "Enabled":
        yield "its versioning must be enabled"
    rules = properties.get("LifecycleConfiguration", {}).get("Rules", [])
    aborts = [rule.get("AbortIncompleteMultipartUpload") for rule in rules if rule.get("Status") == "Enabled"]
    if {"DaysAfterInitiation": 1} not in aborts:
        yield "a lifecycle rule must abort multipart uploads after 1 day: a killed process leaves one behind"
    policies = template.of_type("AWS::S3::BucketPolicy").values()
    if not any(_refuses_plain_http(policy, name, template) for policy in policies):
        yield "a policy must deny s3:* to all, on the bucket and its objects, unless it is asked over TLS"


def _refuses_plain_http(policy: Resource, bucket: str, template: Template) -> bool:
    if policy.properties.get("Bucket") != {"Ref": bucket} or not _holds_by_default(policy.condition, template):
        return False
    return any(
        statement["Effect"] == "Deny"
        and statement.get("Principal") == "*"
        and statement.get("Action") == "s3:*"
        and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
        and statement.get("Resource") == [{"Fn::GetAtt": f"{bucket}.Arn"}, {"Fn::Sub": f"${{{bucket}.Arn}}/*"}]
        for statement in _find_statements(policy.properties)
    )


def _holds_by_default(condition: str | None, template: Template) -> bool:
    """Tell whether a condition of the form `!Equals [!Ref Parameter, value]` holds when the parameter is not given."""
    if condition is None:
        return True
    reference, value = template.conditions[condition].get("Fn::Equals", [{}, None])
    return bool(template.parameters.get(reference.get("Ref"), {}).get("Default") == value)


def _check_table(resource: Resource) -> Iterator[str]:
    properties = resource.properties
    if properties.get("PointInTimeRecoverySpecification") != {"PointInTimeRecoveryEnabled": True}:
        yield "its point-in-time recovery must be enabled"
    if properties.get("SSESpecification", {}).get("SSEEnabled") is not True:
        yield "its encryption with a KMS key must be enabled"
    if properties.get("TimeToLiveSpecification", {}).get("Enabled") is not True:
        yield "its time to live must be enabled"


def _find_statements(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "Effect" in value:
            yield value
        for item in value.values():
            yield from _find_statements(item)
    elif isinstance(value, list):
        for item in value:
            yield from _find_statements(item)


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


if __name__ == "__main__":
    run(check_template)

"""What template.yaml keeps to beyond what cfn-lint looks at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # it comes with cfn-lint, without types

from checks.cloudformation import Resource, Template, read_template
from checks.command import run

_FUNCTION = "AWS::Serverless::Function"
# What the layers are built for, and where logs end: Lambda would make a group for each function, and keep it for ever.
_GLOBALS = {"Runtime": "python3.13", "Architectures": ["arm64"], "LoggingConfig.LogGroup": {"Ref": "LogGroup"}}
# What stands in Globals, and a role of its own, which SAM makes of Policies.
_NOT_OF_ITS_OWN = {
    _FUNCTION: ("Architectures", "Role", "Runtime"),
    "AWS::Serverless::StateMachine": ("Role",),
}
_REQUIRED: dict[str, dict[str, Any]] = {
    "AWS::DynamoDB::Table": {
        "PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled": True,
        "SSESpecification.SSEEnabled": True,
        "TimeToLiveSpecification.Enabled": True,
    },
    "AWS::S3::Bucket": {
        "PublicAccessBlockConfiguration.BlockPublicAcls": True,
        "PublicAccessBlockConfiguration.BlockPublicPolicy": True,
        "PublicAccessBlockConfiguration.IgnorePublicAcls": True,
        "PublicAccessBlockConfiguration.RestrictPublicBuckets": True,
        "VersioningConfiguration.Status": "Enabled",
    },
}
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
# A provider's webhook is signed, and the studio's page has no data. Every other route takes an API key of the stack.
_ROUTES_WITHOUT_KEY = frozenset({("GET", "/studio"), ("POST", "/webhooks/{provider}")})
# What calls a function without waiting for its answer: both the call and the function may fail unseen.
_ASYNCHRONOUS_EVENTS = frozenset({"CloudWatchEvent", "EventBridgeRule", "Schedule", "ScheduleV2"})
# A role takes ten ("IAM and AWS STS quotas"), and SAM attaches those for logs and for traces.
_POLICIES_MAX = 8
_PHYSICAL_NAMES = frozenset(
    {
        *("AlarmName", "BucketName", "DashboardName", "FunctionName", "GroupName", "LayerName", "LogGroupName"),
        *("ManagedPolicyName", "Name", "PolicyName", "QueueName", "RoleName", "StateMachineName", "TableName"),
        "TopicName",
    }
)


def check_template(root: Path) -> Iterator[str]:
    """Find what breaks a rule of this project."""
    path = root / "template.yaml"
    for token in yaml.scan(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader):
        if isinstance(token, yaml.AnchorToken | yaml.AliasToken):
            line = token.start_mark.line + 1
            yield f"template.yaml:{line}: an anchor or alias; not everything that reads a template knows them"
    template = read_template(path)
    yield from (f"template.yaml: Globals: {finding}" for finding in _check_values(template.globals, _GLOBALS))
    for name, resource in template.resources.items():
        for finding in (
            *_check_values(resource.properties, _REQUIRED.get(resource.type, {})),
            *_check_by_type(name, resource, template),
            *_check_statements(resource),
            *_check_name(resource),
            *_check_dead_letters(resource),
        ):
            yield f"template.yaml:{resource.line}: {name}: {finding}"


def _check_values(properties: dict[str, Any], required: dict[str, Any]) -> Iterator[str]:
    for path, value in required.items():
        if reduce(lambda found, key: found.get(key, {}), path.split("."), properties) != value:
            yield f"{path} must be {value}"


def _check_by_type(name: str, resource: Resource, template: Template) -> Iterator[str]:
    properties = resource.properties
    for key in _NOT_OF_ITS_OWN.get(resource.type, ()):
        if key in properties:
            yield f"it must have no {key}: that comes from Globals, or from its Policies"
    if resource.type in _NOT_OF_ITS_OWN:
        for policy in _as_list(properties.get("Policies")):
            if not _is_of_this_template(policy, template):
                yield "its Policies must be statements that name their actions, not policies from elsewhere"
        attached = sum("Ref" in policy for policy in _as_list(properties.get("Policies")) if isinstance(policy, dict))
        if attached > _POLICIES_MAX:
            yield f"it has {attached} managed policies and may have {_POLICIES_MAX}: SAM attaches two more"
    if resource.type == "AWS::Serverless::Api":
        yield from _check_throttles(resource, template)
    if resource.type == "AWS::S3::Bucket":
        yield from _check_bucket(name, resource, template)
    if resource.type == "AWS::Logs::LogGroup" and "RetentionInDays" not in properties:
        yield "it must have RetentionInDays"


def _is_of_this_template(policy: Any, template: Template) -> bool:
    """Tell whether a policy is statements, or a managed policy that the template has."""
    if not isinstance(policy, dict):
        return False
    return "Statement" in policy or policy.get("Ref") in template.of_type("AWS::IAM::ManagedPolicy")


def _check_statements(resource: Resource) -> Iterator[str]:
    for statement in _find_statements(resource.properties):
        for key in statement.keys() & {"NotAction", "NotResource"}:
            yield f"a statement must name what it is about, not what it is not: {key}"
        actions = [str(action) for action in _as_list(statement.get("Action"))]
        for action in actions:
            if "*" in action and not (statement["Effect"] == "Deny" and action == "s3:*"):
                yield f"the action {action} names more than it needs"
        if "*" in _as_list(statement.get("Resource")) and not _WITHOUT_RESOURCE.issuperset(actions):
            yield f'the Resource of {", ".join(actions)} must not be "*"'


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
    is_invoked_so = "EventInvokeConfig" in properties or (asynchronous and resource.type == _FUNCTION)
    if is_invoked_so and not properties.get("EventInvokeConfig", {}).get("DestinationConfig", {}).get("OnFailure"):
        yield "its EventInvokeConfig must have a DestinationConfig with OnFailure"
    targets = {"AWS::Events::Rule": "Targets", "AWS::Scheduler::Schedule": "Target"}.get(resource.type, "")
    if any(not target.get("DeadLetterConfig") for target in _as_list(properties.get(targets))):
        yield "each of its targets must have a DeadLetterConfig"


def _check_throttles(api: Resource, template: Template) -> Iterator[str]:
    """Find routes without a key, and those that may use up the throttle of those with one."""
    settings = {
        (setting.get("HttpMethod"), setting.get("ResourcePath")): setting.get("ThrottlingRateLimit")
        for setting in map(_take_condition, api.properties.get("MethodSettings", []))
    }
    shared = settings.get(("*", "/*"))
    if shared is None:
        yield "its MethodSettings must have a ThrottlingRateLimit for all routes, * of /*"
        return
    for method, path in _list_open_routes(template):
        own = settings.get((method, "/" + path.replace("/", "~1")))
        if (method, path) not in _ROUTES_WITHOUT_KEY:
            yield f"{method} {path} must take a key, as every other route"
        elif own is None or own >= shared:
            yield f"{method} {path} takes no key: its MethodSettings must have a throttle of its own below {shared}"


def _take_condition(value: dict[str, Any]) -> dict[str, Any]:
    """Give what a value is where its condition holds."""
    conditional: list[Any] = value.get("Fn::If", [])
    return dict(conditional[1]) if conditional else value


def _list_open_routes(template: Template) -> Iterator[tuple[str, str]]:
    for function in template.of_type(_FUNCTION).values():
        for event in function.properties.get("Events", {}).values():
            if event["Type"] == "Api" and "Auth" in event["Properties"]:
                yield event["Properties"]["Method"], event["Properties"]["Path"]


def _check_bucket(name: str, resource: Resource, template: Template) -> Iterator[str]:
    rules = resource.properties.get("LifecycleConfiguration", {}).get("Rules", [])
    aborts = [rule.get("AbortIncompleteMultipartUpload") for rule in rules if rule.get("Status") == "Enabled"]
    if {"DaysAfterInitiation": 1} not in aborts:
        yield "a lifecycle rule must abort multipart uploads after 1 day: a killed process leaves one behind"
    tls_only = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [{"Fn::GetAtt": f"{name}.Arn"}, {"Fn::Sub": f"${{{name}.Arn}}/*"}],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    statements = [
        {key: value for key, value in statement.items() if key != "Sid"}
        for policy in template.of_type("AWS::S3::BucketPolicy").values()
        if policy.properties.get("Bucket") == {"Ref": name} and _holds_by_default(policy.condition, template)
        for statement in _find_statements(policy.properties)
    ]
    if tls_only not in statements:
        yield "a policy must deny s3:* to all, on the bucket and its objects, unless it is asked over TLS"


def _holds_by_default(condition: str | None, template: Template) -> bool:
    """Tell whether a condition of the form `!Equals [!Ref Parameter, value]` holds when the parameter is not given."""
    if condition is None:
        return True
    reference, value = template.conditions[condition].get("Fn::Equals", [{}, None])
    return bool(template.parameters.get(reference.get("Ref"), {}).get("Default") == value)


def _find_statements(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict) and "Effect" in value:
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _find_statements(item)


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


if __name__ == "__main__":
    run(check_template)

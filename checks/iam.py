"""Read every IAM policy of template.yaml with parliament: unknown actions, resources and conditions that do not fit.

parliament is in `.tools/parliament` (`make check` installs it). The template's functions are resolved to ARNs first.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from checks.cloudformation import Resource, Template, read_template
from checks.command import ROOT, run

# What parliament says and is not so, by the Sid of the statement and the action. It asks for a resource of every type
# that an action knows; these statements name those that are there: models and invocations, and Standard executions.
EXPLAINED = {
    ("InvokeBedrock", "bedrock:InvokeModel"),
    ("StartInvocation", "bedrock:InvokeModel"),
    ("FollowParts", "states:DescribeExecution"),
    ("LookForExecution", "states:DescribeExecution"),
    # SAM's own DynamoDBStreamReadPolicy gives it on a stream too, and Lambda asks for it there ("Using AWS Lambda with
    # Amazon DynamoDB").
    ("ReadStream", "dynamodb:ListStreams"),
}
_ACCOUNT = {"Partition": "aws", "Region": "us-east-1", "AccountId": "123456789012", "StackName": "mediaposter"}
_PLACE = "us-east-1:123456789012"
_ARNS = {
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{_PLACE}:table/{{name}}",
    "AWS::Events::EventBus": f"arn:aws:events:{_PLACE}:event-bus/{{name}}",
    "AWS::Events::Rule": f"arn:aws:events:{_PLACE}:rule/{{name}}",
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::SQS::Queue": f"arn:aws:sqs:{_PLACE}:{{name}}",
    "AWS::Scheduler::ScheduleGroup": f"arn:aws:scheduler:{_PLACE}:schedule-group/{{name}}",
    "AWS::Serverless::Function": f"arn:aws:lambda:{_PLACE}:function:{{name}}",
    "AWS::Serverless::StateMachine": f"arn:aws:states:{_PLACE}:stateMachine:{{name}}",
}
# These have an ARN for their Ref.
_REF_IS_ARN = frozenset({"AWS::Serverless::StateMachine"})
# One process for all policies: its list of actions is large.
_SCRIPT = """
import json, sys, warnings
warnings.filterwarnings("ignore")
import parliament
for policy in json.load(sys.stdin):
    found = parliament.analyze_policy_string(json.dumps(policy["document"]), include_community_auditors=False)
    for finding in found.findings:
        for detail in finding.detail if isinstance(finding.detail, list) else [{"action": str(finding.detail)}]:
            print(json.dumps({**policy, "issue": finding.issue, **detail}))
"""


def check_iam(root: Path) -> Iterator[str]:
    """Find what parliament finds, one statement at a time, so that each finding names its own."""
    template = read_template(root / "template.yaml")
    policies = [
        {"place": f"{resource.line}: {name}", "document": {"Version": "2012-10-17", "Statement": [statement]}}
        for name, resource in template.resources.items()
        for statement in _list_statements(resource, template)
    ]
    process = subprocess.run(
        [str(ROOT / ".tools/parliament/bin/python"), "-c", _SCRIPT],
        input=json.dumps(policies),
        capture_output=True,
        text=True,
        check=True,
    )
    explained = set()
    for line in process.stdout.splitlines():
        finding = json.loads(line)
        sid = finding["document"]["Statement"][0].get("Sid", "")
        said = (sid, str(finding.get("action", "")))
        if said in EXPLAINED and finding["issue"] == "RESOURCE_MISMATCH":
            explained.add(said)
        else:
            yield f"template.yaml:{finding['place']}: {sid}: {finding['issue']} {said[1]}"
    for sid, action in sorted(EXPLAINED - explained):
        yield f"checks/iam.py: parliament finds nothing about {action} in {sid} any more; remove it from EXPLAINED"


def _list_statements(resource: Resource, template: Template) -> Iterator[dict[str, Any]]:
    """List the statements of a role or managed policy; those of a bucket or a queue are of another kind."""
    documents = [resource.properties.get("PolicyDocument", {})] if resource.type.endswith("ManagedPolicy") else []
    documents += [policy.get("PolicyDocument", policy) for policy in resource.properties.get("Policies", [])]
    for document in documents:
        for statement in document.get("Statement", []):
            yield {key: _resolve(value, template) for key, value in statement.items()}


def _resolve(value: Any, template: Template) -> Any:
    if isinstance(value, list):
        return [_resolve(item, template) for item in value]
    if not isinstance(value, dict):
        return value
    if "Ref" in value:
        return _name(value["Ref"], template)
    if "Fn::GetAtt" in value:
        return _name(value["Fn::GetAtt"], template)
    if "Fn::Sub" in value:
        return re.sub(r"\$\{([\w:.]+)\}", lambda found: _name(found[1], template), value["Fn::Sub"])
    return {key: _resolve(item, template) for key, item in value.items()}


def _name(reference: str, template: Template) -> str:
    if reference.startswith("AWS::"):
        return _ACCOUNT[reference.removeprefix("AWS::")]
    name, _, attribute = reference.partition(".")
    resource_type = template.resources[name].type
    arn = _ARNS.get(resource_type, "{name}").format(name=name.lower() if "S3" in resource_type else name)
    if attribute == "StreamArn":
        return f"{arn}/stream/label"
    return arn if attribute == "Arn" or (resource_type in _REF_IS_ARN and not attribute) else name


if __name__ == "__main__":
    run(check_iam)

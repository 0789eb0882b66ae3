"""Read the IAM policies of template.yaml, and the one to deploy it with, by parliament.

It finds actions that are unknown, and resources and conditions that do not fit them. It is in `.tools/parliament`,
which `make check` installs. The template's functions are resolved to ARNs first.
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

# What parliament says and is not so, by the Sid of the statement and the action.
EXPLAINED = {
    # SAM's own DynamoDBStreamReadPolicy gives it on a stream too, and Lambda asks for it there ("Using AWS Lambda with
    # Amazon DynamoDB").
    ("ReadStream", "dynamodb:ListStreams"),
    # It does not find a model whose name has a colon, as luma.ray-v2:0.
    ("InvokeBedrock", "bedrock:InvokeModel"),
    # The account of AWS's own transforms is `aws`.
    ("", "Account expected to be of form like 123456789012"),
}
# The rights to deploy a stack, as docs/deploy.md gives them to copy.
DEPLOYER = "docs/deploy-policy.json"
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
# One process for all policies: its list of actions is large. It asks for a resource of every type that an action knows;
# a statement that names some of them is right, so what fits none is told.
_SCRIPT = """
import json, sys, warnings
warnings.filterwarnings("ignore")
import parliament
types = {
    f"{service['prefix']}:{privilege['privilege']}":
        len([each for each in privilege["resource_types"] if each["resource_type"]])
    for service in parliament.iam_definition for privilege in service["privileges"]
}
for policy in json.load(sys.stdin):
    found = parliament.analyze_policy_string(json.dumps(policy["document"]), include_community_auditors=False)
    for finding in found.findings:
        details = finding.detail if isinstance(finding.detail, list) else [finding.detail]
        details = [detail if isinstance(detail, dict) else {"action": str(detail)} for detail in details]
        actions = [detail.get("action", "") for detail in details]
        for action in dict.fromkeys(actions):
            if finding.issue != "RESOURCE_MISMATCH" or actions.count(action) >= types.get(action, 1):
                said = {"place": policy["place"], "sid": policy["sid"], "issue": finding.issue, "action": action}
                print(json.dumps(said))
"""


def check_iam(root: Path) -> Iterator[str]:
    """Find what parliament finds, one statement at a time, so that each finding names its own."""
    template = read_template(root / "template.yaml")
    statements = [
        (f"template.yaml:{resource.line}: {name}", statement)
        for name, resource in template.resources.items()
        for statement in _list_statements(resource, template)
    ]
    deployer = json.loads((root / DEPLOYER).read_text(encoding="utf-8"))
    policies = [
        {"place": place, "sid": statement["Sid"], "document": {"Version": "2012-10-17", "Statement": [statement]}}
        for place, statement in statements
    ]
    # As a whole: one of its statements takes the danger out of another.
    policies.append({"place": DEPLOYER, "sid": "", "document": deployer})
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
        said = (finding["sid"], finding["action"])
        if said in EXPLAINED:
            explained.add(said)
        else:
            yield f"{finding['place']}: {finding['sid']}: {finding['issue']} {finding['action']}"
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

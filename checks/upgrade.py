"""What an update of a stack must not do: compare template.yaml with that of the last release, checks/released.

CloudFormation replaces a resource when a property changes that only creation sets; those are named in its schemas,
which come with cfn-lint. DynamoDB makes or removes one index an update (DynamoDB developer guide, "Managing Global
Secondary Indexes"). Running executions keep the definition that they began with, and call the functions of today.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from checks.cloudformation import Template, read_template
from checks.command import run
from checks.state_machine import read_state_machine

RELEASED = "checks/released"
_TABLE = "AWS::DynamoDB::Table"
# What holds records, files or messages, or what others know by its address: to replace it is to lose it.
LASTING = frozenset(
    {
        *(_TABLE, "AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::Events::EventBus", "AWS::Scheduler::ScheduleGroup"),
        *("AWS::Serverless::Api", "AWS::Serverless::StateMachine", "AWS::IAM::Role", "AWS::Logs::LogGroup"),
    }
)
# The types that SAM makes of its own.
_MADE_OF = {
    "AWS::Serverless::Api": "AWS::ApiGateway::RestApi",
    "AWS::Serverless::StateMachine": "AWS::StepFunctions::StateMachine",
}
_SAM_NAMES = {"StateMachineName": "Name", "StateMachineType": "Type"}
_REGION = "us-east-1"


def check_upgrade(root: Path) -> Iterator[str]:
    """Find what an update from the last release would lose, or could not do."""
    before, after = (read_template(root / path) for path in (f"{RELEASED}/template.yaml", "template.yaml"))
    for kind in ("parameters", "outputs"):
        gone = getattr(before, kind).keys() - getattr(after, kind).keys()
        yield from (f"template.yaml: {kind}: {name} is gone, which the last release had" for name in sorted(gone))
    for name, released in before.resources.items():
        if released.type not in LASTING:
            continue
        now = after.resources.get(name)
        if now is None or now.type != released.type:
            yield f"template.yaml: {name} is gone, which the last release had: the update would remove it"
            continue
        place = f"template.yaml:{now.line}: {name}"
        for key in _list_creation_only(released.type):
            if now.properties.get(key) != released.properties.get(key):
                yield f"{place}: a change of {key} replaces it"
        if released.type == _TABLE:
            yield from (f"{place}: {finding}" for finding in _check_table(released.properties, now.properties))
    yield from _check_kept(after)
    yield from _check_running(root, before, after)


def _list_creation_only(resource_type: str) -> Iterator[str]:
    from cfnlint.schema import PROVIDER_SCHEMA_MANAGER  # type: ignore[import-untyped]  # it comes without types

    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(_REGION, _MADE_OF.get(resource_type, resource_type)).schema
    for kind in ("createOnlyProperties", "conditionalCreateOnlyProperties"):
        for pointer in schema.get(kind) or ():
            name = pointer.removeprefix("/properties/")
            yield _SAM_NAMES.get(name, name) if resource_type in _MADE_OF else name


def _check_table(released: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    before, after = (
        {index["IndexName"]: index for index in properties.get("GlobalSecondaryIndexes", [])}
        for properties in (released, now)
    )
    changed = sorted(before.keys() ^ after.keys())
    if len(changed) > 1:
        yield f"an update makes or removes one index, not {', '.join(changed)}: release them one after another"
    for name in before.keys() & after.keys():
        if before[name] != after[name]:
            yield f"the index {name} is not as it was: give the new one another name, and remove this one later"


def _check_kept(template: Template) -> Iterator[str]:
    """Find a table or a bucket that goes with its stack, or that a command by hand removes."""
    for resource_type, policy in ((_TABLE, "Retain"), ("AWS::S3::Bucket", "RetainExceptOnCreate")):
        for name, resource in template.of_type(resource_type).items():
            place = f"template.yaml:{resource.line}: {name}"
            if resource.deletion_policy != policy or resource.update_replace_policy != "Retain":
                yield f"{place}: its DeletionPolicy must be {policy}, its UpdateReplacePolicy Retain"
            if resource_type == _TABLE and resource.properties.get("DeletionProtectionEnabled") is not True:
                yield f"{place}: DeletionProtectionEnabled must be true"


def _check_running(root: Path, before: Template, after: Template) -> Iterator[str]:
    """Find what an execution of the last release needs and would not find."""
    for name, machine in before.of_type("AWS::Serverless::StateMachine").items():
        path = f"{RELEASED}/{Path(machine.properties['DefinitionUri']).name}"
        substitutions: dict[str, Any] = machine.properties["DefinitionSubstitutions"]
        for value in substitutions.values():
            needed = str(value.get("Ref") or value.get("Fn::GetAtt", "")).partition(".")[0]
            if not needed.startswith("AWS::") and needed not in after.resources:
                yield f"template.yaml: {needed} is gone, which executions of the released {name} call: keep it a week"
        read_state_machine(root / path)
        sent = _list_payloads(json.loads((root / path).read_text(encoding="utf-8")))
        now = _list_payloads(json.loads((root / machine.properties["DefinitionUri"]).read_text(encoding="utf-8")))
        for function, keys in sent.items():
            for missing in sorted(now.get(function, keys) - keys):
                yield (
                    f"{machine.properties['DefinitionUri']}: {function} is sent {missing}, which executions of the "
                    f"last release do not send: its input must have a default, and {path} says what they send"
                )


def _list_payloads(value: Any) -> dict[str, frozenset[str]]:
    """List by function what every state sends it."""
    found: dict[str, frozenset[str]] = {}
    if isinstance(value, dict):
        arguments = value.get("Arguments")
        if isinstance(arguments, dict) and isinstance(arguments.get("Payload"), dict):
            found[str(arguments["FunctionName"])] = frozenset(arguments["Payload"])
        for item in value.values():
            for function, keys in _list_payloads(item).items():
                found[function] = found.get(function, keys) & keys
    elif isinstance(value, list):
        for item in value:
            found |= _list_payloads(item)
    return found


if __name__ == "__main__":
    run(check_upgrade)

"""What the template must keep to for an account: what it may cost, what it may touch, and what is forgotten.

Prices are those of docs/deploy.md. Sources: Service Authorization Reference (Bedrock, Step Functions); API Gateway
developer guide, "Set up CloudWatch logging"; Amazon CloudWatch pricing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from checks.cloudformation import Template, read_template
from checks.command import run
from checks.state_machine import read_state_machine
from mediaposter.ai.catalog import built_in_catalog

# An account has these for nothing; what is more costs $0.10 a month each.
FREE_ALARMS = 10
_ALARM_ACTIONS = [
    {"Fn::If": ["HasAlarmTopic", {"Ref": "AlarmTopicArn"}, {"Ref": "AWS::NoValue"}]},
    {"Fn::If": ["HasAlarmEmail", {"Ref": "AlarmTopic"}, {"Ref": "AWS::NoValue"}]},
]
# What stacks fill without end, and how long it stays there: a parameter, or so many days.
_FORGOTTEN = {
    "renders/": "RendersDays",
    "inbox/": "InboxDays",
    "outbox/": "OutboxDays",
    "series/": "SeriesDays",
    "uploads/": 7,
    "batches/": 90,
}
# Lists are read at commas. A list that ends in one was cut off at a space, by SAM CLI.
LISTS = ("ModelAliases", "FallbackModels", "ProviderConcurrency", "ProviderBaseUrls", "ProviderWebhooks")
_MODEL = re.compile(r"foundation-model/([\w.:-]+)")


def check_account(root: Path) -> Iterator[str]:
    """Find what would cost, or touch, more than the parameters say."""
    template = read_template(root / "template.yaml")
    for finding in (
        *_check_optional(template),
        *_check_forgotten(template),
        *_check_lists(template),
        *_check_bedrock(template),
        *_check_children(root, template),
    ):
        yield f"template.yaml: {finding}"


def _check_optional(template: Template) -> Iterator[str]:
    alarms = template.of_type("AWS::CloudWatch::Alarm")
    if len(alarms) > FREE_ALARMS:
        yield f"{len(alarms)} alarms: an account has {FREE_ALARMS} for nothing, and each more costs $0.10 a month"
    for name, alarm in alarms.items():
        if alarm.condition != "HasAlarms":
            yield f"{name}: its Condition must be HasAlarms: alarms can be turned off"
        if alarm.properties.get("AlarmActions") != _ALARM_ACTIONS:
            yield f"{name}: its AlarmActions must be the topic of AlarmTopicArn and that of AlarmEmail"
    for resource_type, condition in (
        ("AWS::CloudWatch::Dashboard", "HasDashboard"),
        # It overwrites a setting that all APIs of the account and region share.
        ("AWS::ApiGateway::Account", "SetsApiLogRole"),
        ("AWS::SNS::Topic", "HasAlarmEmail or HasApprovalEmail"),
    ):
        for name, resource in template.of_type(resource_type).items():
            if resource.condition not in condition.split(" or "):
                yield f"{name}: its Condition must be {condition}"
    for name, api in template.of_type("AWS::Serverless::Api").items():
        settings = [setting for setting in api.properties["MethodSettings"] if "MetricsEnabled" in setting]
        if any(setting["MetricsEnabled"] != {"Fn::If": ["HasApiMetrics", True, False]} for setting in settings):
            yield f"{name}: MetricsEnabled must depend on ApiMetrics: it bills a metric for each method"
        if "ApiLogAccount" not in json.dumps(api.properties.get("Tags")):
            yield f"{name}: it must refer to ApiLogAccount: its stage is refused before the account has a role for logs"
    if template.parameters["ApiMetrics"]["Default"] != "off":
        yield "ApiMetrics must be off by default: nothing reads what it bills"
    if template.resources["SweepFunction"].properties.get("Tracing") != "PassThrough":
        yield "SweepFunction: its Tracing must be PassThrough: a trace each minute costs $0.22 a month"


def _check_forgotten(template: Template) -> Iterator[str]:
    for name, bucket in template.of_type("AWS::S3::Bucket").items():
        rules = bucket.properties["LifecycleConfiguration"]["Rules"]
        days: dict[str, Any] = {}
        for rule in (rule["Fn::If"][1] if "Fn::If" in rule else rule for rule in rules):
            expiry = rule.get("ExpirationInDays")
            days[rule.get("Prefix", "")] = expiry.get("Ref") if isinstance(expiry, dict) else expiry
        for prefix, expected in _FORGOTTEN.items():
            if days.get(prefix) != expected:
                yield f"{name}: a lifecycle rule must forget {prefix} after {expected} days"
        if not any(rule.get("ExpiredObjectDeleteMarker") for rule in rules):
            yield f"{name}: a lifecycle rule must remove expired delete markers"


def _check_lists(template: Template) -> Iterator[str]:
    if template.parameters["ProviderWebhooks"]["Default"] != "fal,pika":
        yield "ProviderWebhooks must be fal,pika by default: they need no secret, and save a fifth of the cost"
    for name in LISTS:
        pattern = str(template.parameters[name].get("AllowedPattern", ".*"))
        sample = {"ProviderConcurrency": "runway=5", "ProviderWebhooks": "fal", "FallbackModels": "gen4.5"}
        one = sample.get(name, "sora=https://videos.example.com/v1" if name == "ProviderBaseUrls" else "sora-2=gen4.5")
        if re.search(pattern, f"{one},"):
            yield f"{name}: its AllowedPattern must refuse a list that ends in a comma"
        if not all(re.search(pattern, value) for value in ("", one, f"{one},{one}", f"{one}, {one}")):
            yield f"{name}: its AllowedPattern must take nothing, {one}, and several of them"


def _check_bedrock(template: Template) -> Iterator[str]:
    catalog = built_in_catalog()
    models = {entry.provider_model for entry in catalog.models.values() if entry.provider == "bedrock"}
    resources = json.dumps(
        [
            statement["Resource"]
            for policy in template.resources["StartGenerationFunction"].properties["Policies"]
            for statement in policy.get("Statement", [])
            if statement["Action"] == "bedrock:InvokeModel"
        ]
    )
    if set(_MODEL.findall(resources)) != models or "foundation-model/*" in resources:
        yield f"StartGenerationFunction: it must invoke the catalog's models of Bedrock, {', '.join(sorted(models))}"
    if ":async-invoke/*" not in resources:
        yield "StartGenerationFunction: StartAsyncInvoke takes bedrock:InvokeModel on async-invoke/* as well"


def _check_children(root: Path, template: Template) -> Iterator[str]:
    """Find a machine with a Distributed Map that may not follow its children, whose ARNs have the label of the Map."""
    for name, machine in template.of_type("AWS::Serverless::StateMachine").items():
        definition = read_state_machine(root / machine.properties["DefinitionUri"])
        if not any(scope.is_distributed for scope in definition.walk()):
            continue
        rights = json.dumps(machine.properties["Policies"])
        for pattern in ("-batches:*", "-batches/*"):
            if f":execution:${{AWS::StackName}}{pattern}" not in rights:
                yield f"{name}: it must follow its children, execution:…{pattern}"


if __name__ == "__main__":
    run(check_account)

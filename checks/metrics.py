"""Keep alarms and the dashboard as what the code emits: each custom metric by its namespace, name and dimensions.

Every name in the code is emitted by the edges of a stack, in a process that has the environment of template.yaml and
nothing else. What that process prints is what CloudWatch would read (CloudWatch user guide, "Embedded metric format").
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import mediaposter
from checks.cloudformation import Template, read_template
from checks.command import ROOT, run
from mediaposter.aws import AwsEdges
from mediaposter.config import Settings
from mediaposter.usecases.generation.provider_webhooks import WebhookOutcome

NAMESPACE = "MediaPoster"
PAGE = "docs/operations.md"
_STACK = "stack-of-the-check"
# The dimensions by which AWS keeps its own metrics, as the alarms and panels need them (CloudWatch user guide).
_OF_AWS: dict[str, set[tuple[str, ...]]] = {
    "AWS/States": {("StateMachineArn",)},
    "AWS/ApiGateway": {("ApiName", "Stage")},
    "AWS/SQS": {("QueueName",)},
}
_EMITTERS = frozenset({"count_metric", "_count_metric", "measure", "_measure"})
_SEARCH = re.compile(r"\{(?P<schema>[\w,/]+)\} MetricName=\"(?P<name>\w+)\" stack=\"(?P<stack>[^\"]*)\"")


class Metric(NamedTuple):
    """What CloudWatch finds a metric by."""

    namespace: str
    name: str
    dimensions: tuple[str, ...]


def check_metrics(root: Path) -> Iterator[str]:
    """Find what is watched and never emitted, an alarm of no runbook, and a metric of no page."""
    template = read_template(root / "template.yaml")
    emitted = emit_all(template)
    page = (root / PAGE).read_text(encoding="utf-8")
    headings = {line.lstrip("# ").strip().lower() for line in page.splitlines() if line.startswith("#")}
    for name, alarm in template.of_type("AWS::CloudWatch::Alarm").items():
        place = f"template.yaml:{alarm.line}: {name}"
        properties = alarm.properties
        dimensions = {dimension["Name"]: dimension["Value"] for dimension in properties["Dimensions"]}
        watched = Metric(properties["Namespace"], properties["MetricName"], tuple(sorted(dimensions)))
        yield from (f"{place}: {finding}" for finding in _check_metric(watched, emitted))
        if watched.namespace == NAMESPACE and dimensions.get("stack") != {"Ref": "AWS::StackName"}:
            yield f"{place}: the dimension stack must be the name of the stack"
        if not properties["AlarmDescription"].endswith(f"{PAGE}#{name.lower()}"):
            yield f"{place}: its AlarmDescription must end with {PAGE}#{name.lower()}"
        if name.lower() not in headings:
            yield f"{PAGE}: it has no section {name}, to which the alarm leads"
    for name, dashboard in template.of_type("AWS::CloudWatch::Dashboard").items():
        for watched in _list_panels(dashboard.properties["DashboardBody"]["Fn::Sub"]):
            place = f"template.yaml:{dashboard.line}: {name}"
            yield from (f"{place}: {finding}" for finding in _check_metric(watched, emitted))
    yield from (f"{PAGE}: it does not name the metric {metric.name}" for metric in emitted if metric.name not in page)


def emit_all(template: Template) -> set[Metric]:
    """Emit every metric that the code names, with the environment that the template gives all functions."""
    variables: dict[str, Any] = template.globals["Environment"]["Variables"]
    environment = {name: value for name, value in variables.items() if isinstance(value, str)}
    process = subprocess.run(
        [sys.executable, "-m", "checks.metrics", "--emit", *sorted(_list_names())],
        cwd=ROOT,
        env={**environment, "STACK_NAME": _STACK},
        capture_output=True,
        text=True,
        check=True,
    )
    return {metric for line in process.stdout.splitlines() for metric in _read_line(json.loads(line))}


def _emit(names: list[str]) -> None:
    """Emit some metrics as a function would; `name@provider` is one of a provider."""
    edges = AwsEdges(Settings(STACK_NAME=_STACK))
    for name, _, provider in (text.partition("@") for text in names):
        if provider:
            edges.measure(name, 1, provider=provider)
        else:
            edges.count_metric(name)


def _list_names() -> Iterator[str]:
    """List the names in the code: a text, one of two, or `Webhooks` and an outcome."""
    for path in Path(*mediaposter.__path__).rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call) or not call.args:
                continue
            function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if function not in _EMITTERS:
                continue
            suffix = "@fal" if any(keyword.arg == "provider" for keyword in call.keywords) else ""
            if isinstance(call.args[0], ast.JoinedStr):
                yield from (f"Webhooks{outcome.capitalize()}" for outcome in WebhookOutcome)
                continue
            for part in ast.walk(call.args[0]):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield f"{part.value}{suffix}"


def _read_line(line: dict[str, Any]) -> Iterator[Metric]:
    for directive in line["_aws"]["CloudWatchMetrics"]:
        for metric in directive["Metrics"]:
            for dimensions in directive["Dimensions"]:
                yield Metric(directive["Namespace"], metric["Name"], tuple(sorted(dimensions)))


def _list_panels(body: str) -> Iterator[Metric]:
    for widget in json.loads(body)["widgets"]:
        for metric in widget["properties"]["metrics"]:
            if isinstance(metric[0], dict):
                found = _SEARCH.search(metric[0]["expression"])
                namespace, *dimensions = found["schema"].split(",") if found else [""]
                yield Metric(namespace, found["name"] if found else "", tuple(sorted(dimensions)))
                continue
            texts = [part for part in metric if isinstance(part, str)]
            yield Metric(texts[0], texts[1], tuple(sorted(texts[2::2])))


def _check_metric(watched: Metric, emitted: set[Metric]) -> Iterator[str]:
    if watched.namespace == NAMESPACE and watched not in emitted:
        there = [metric.dimensions for metric in emitted if metric.name == watched.name]
        yield f"it watches {watched.name} by {watched.dimensions}; the code emits it by {there or 'no dimensions'}"
    elif watched.namespace != NAMESPACE and watched.dimensions not in _OF_AWS.get(watched.namespace, set()):
        yield f"it watches {watched.namespace} {watched.name} by {watched.dimensions}, and AWS does not keep it so"


if __name__ == "__main__":
    if "--emit" in sys.argv[1:]:
        _emit(sys.argv[2:])
    else:
        run(check_metrics)

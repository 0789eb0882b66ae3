"""The stack as the handlers meet it: moto's services, made and named by template.yaml."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext
from moto.awslambda_simple.models import lambda_simple_backends
from moto.core.models import DEFAULT_ACCOUNT_ID

from checks.cloudformation import Template, read_template
from mediaposter.stores.dynamodb_table import LibraryTable
from mediaposter.stores.posts import Post, PostStore
from mediaposter.stores.table import Record, Table
from mediaposter.stores.video_record import Video
from mediaposter.stores.videos import VideoStore

REPOSITORY = Path(__file__).parents[3]
REGION = "us-east-1"
STACK = "mediaposter-test"
BUCKET = "video-bucket"

Event = dict[str, Any]


@cache
def shipped_template() -> Template:
    """Read the template; it takes a second."""
    return read_template(REPOSITORY / "template.yaml")


@cache
def _session() -> boto3.Session:
    # One for all tests: each new one would read the descriptions of the services again.
    return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)


@cache
def _client(service: Any) -> Any:
    return _session().client(service)


def read_event(name: str) -> Event:
    """Read a sample event, the same that `sam local invoke -e` takes."""
    event: Event = json.loads((REPOSITORY / "events" / f"{name}.json").read_text())
    return event


class Context(LambdaContext):
    """What Lambda hands to every handler beside the event."""

    _function_name = "mediaposter-test-function"
    _function_version = "$LATEST"
    _invoked_function_arn = f"arn:aws:lambda:{REGION}:123456789012:function:mediaposter-test-function"
    _memory_limit_in_mb = 512
    _aws_request_id = "7d1c2c4e-0d3f-4d0f-8d7a-9f1f3a5b7c9d"


class Stack:
    """The services behind the handlers, and what the template tells each function of them."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._parameters: dict[str, str] = {
            "AWS::StackName": STACK,
            **{name: str(parameter["Default"]) for name, parameter in template.parameters.items()},
            "ModelAliases": "sora-2=sora-2",
            "ProviderBaseUrls": "sora=https://videos.example/v1",
        }
        self._make_table()
        self.client("s3").create_bucket(Bucket=BUCKET)
        self.client("events").create_event_bus(Name=STACK)
        machine = self.client("stepfunctions").create_state_machine(
            name=STACK, definition="{}", roleArn="arn:aws:iam::123456789012:role/states"
        )
        batches = self.client("stepfunctions").create_state_machine(
            name=f"{STACK}-batches", definition="{}", roleArn="arn:aws:iam::123456789012:role/states"
        )
        self._parameters |= {
            "VideoBucket": BUCKET,
            "MediaPosterBus": STACK,
            "VideoStateMachine": machine["stateMachineArn"],
            "BatchStateMachine": batches["stateMachineArn"],
            "WebhookQueue": self.client("sqs").create_queue(QueueName="webhooks")["QueueUrl"],
            "ProbeVideoFunction": "ProbeVideoFunction",
            "CancelRenderFunction": "CancelRenderFunction",
        }

    def client(self, service: Any) -> Any:
        """Give the client of a service."""
        return _client(service)

    def tell(self, **parameters: str) -> None:
        """Deploy with other parameters."""
        self._parameters |= parameters

    def environment_of(self, function: str) -> dict[str, str]:
        """Give the environment that the template gives a function."""
        variables: dict[str, Any] = {
            **self._template.globals["Environment"]["Variables"],
            **self._template.resources[function].properties.get("Environment", {}).get("Variables", {}),
        }
        return {name: self._resolve(value) for name, value in variables.items()}

    def handler_of(self, function: str) -> str:
        """Name the module of a function's handler."""
        properties = self._template.resources[function].properties
        module, _, _ = properties["Handler"].rpartition(".")
        return f"{properties['CodeUri']}/{module}".replace("/", ".")

    @property
    def webhook_queue_url(self) -> str:
        """Name the queue of webhooks."""
        return self._parameters["WebhookQueue"]

    @property
    def table(self) -> Table:
        """The table of everything that is kept."""
        return LibraryTable(self.client("dynamodb"), self._parameters["LibraryTable"])

    def keep(self, *records: Record) -> None:
        """Put records as they are."""
        self.table.create(records)

    def video(self, video_id: str) -> Video:
        """Read a video."""
        return VideoStore(self.table).get_unchecked(video_id)

    def posts(self, video_id: str) -> list[Post]:
        """Read the posts of a video."""
        return PostStore(self.table).list_unchecked(video_id)

    def executions(self) -> list[tuple[str, str]]:
        """List the executions that were started, with their input."""
        client = self.client("stepfunctions")
        arn = self._parameters["VideoStateMachine"]
        started = client.list_executions(stateMachineArn=arn)["executions"]
        return [
            (execution["name"], client.describe_execution(executionArn=execution["executionArn"])["input"])
            for execution in started
        ]

    def make_function(self, name: str, *answers: str) -> None:
        """Make a function that others call; moto gives the answers, in their order, and runs nothing."""
        role = self.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        self.client("lambda").create_function(
            FunctionName=name, Runtime="python3.13", Role=role, Handler="app.handler", Code={"ZipFile": b"nothing"}
        )
        lambda_simple_backends[DEFAULT_ACCOUNT_ID][REGION].lambda_simple_results_queue.extend(answers)

    def _make_table(self) -> None:
        properties = self._template.resources["LibraryTable"].properties
        names = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
        self.client("dynamodb").create_table(TableName="library", **{name: properties[name] for name in names})
        self._parameters["LibraryTable"] = "library"

    def _resolve(self, value: Any) -> str:
        if isinstance(value, Mapping):
            if "Ref" in value:
                return self._parameters[value["Ref"]]
            if "Fn::If" in value:
                name, if_set, otherwise = value["Fn::If"]
                # Every condition of a function's settings asks whether a parameter is set.
                parameter = self._template.conditions[name]["Fn::Not"][0]["Fn::Equals"][0]["Ref"]
                return self._resolve(if_set if self._parameters[parameter] else otherwise)
            if "Fn::Join" in value:
                separator, parts = value["Fn::Join"]
                return str(separator).join(map(self._resolve, parts))
            text = str(value["Fn::Sub"])
            for name, replacement in self._parameters.items():
                text = text.replace(f"${{{name}}}", replacement)
            return text
        return str(value)

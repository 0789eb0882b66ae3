"""Which functions of the template hold what: keys, a decoder for files of others, and the rights that do harm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from checks.cloudformation import read_template

TEMPLATE = read_template(Path(__file__).parents[2] / "template.yaml")
FUNCTIONS = TEMPLATE.of_type("AWS::Serverless::Function")
SHARED = TEMPLATE.of_type("AWS::IAM::ManagedPolicy")


def list_statements(function: str) -> list[dict[str, Any]]:
    """List what a function may do: by statements of its own, and by the managed policies that it names."""
    policies = FUNCTIONS[function].properties.get("Policies", [])
    documents = [
        SHARED[policy["Ref"]].properties["PolicyDocument"] if "Ref" in policy else policy for policy in policies
    ]
    return [statement for document in documents for statement in document["Statement"]]


def list_holders(right: str) -> set[str]:
    """List the functions whose statements name an action, or a part of a resource."""
    return {name for name in FUNCTIONS if right in json.dumps(list_statements(name))}


@pytest.mark.parametrize(
    ("right", "holders"),
    [
        # Neither a function that answers callers nor one that decodes files reads a provider's key.
        ("/providers/*", {"StartGeneration", "CheckGeneration", "StoreVideo", "CancelRender"}),
        ("bedrock:InvokeModel", {"StartGeneration"}),
        (
            "/blotato-api-key",
            {"Mcp", "Submit", "Api", "Intake", "RunBatchStep", "CreatePost", "CheckPost", "Sweep", "CheckAccounts"},
        ),
        ("/captions-api-key", {"Mcp", "Submit", "Api", "Intake", "RunBatchStep"}),
        ("/webhook-signing-key", {"DeliverWebhook"}),
        ("/approvals/*", {"DeliverWebhook"}),
        ("sns:Publish", {"DeliverWebhook"}),
        ("KEY#*", {"Authorize", "RunBatchStep"}),
        ("s3:DeleteObject", {"Api", "StoreVideo", "Sweep"}),
        ("dynamodb:DeleteItem", {"Mcp", "Submit", "Api", "Intake", "RunBatchStep", "Sweep"}),
        ("states:StartExecution", {"Mcp", "Submit", "Api", "Intake", "RunBatchStep", "Dispatch", "Sweep"}),
        ("states:StopExecution", {"Mcp", "Api", "RunBatchStep"}),
        ("states:SendTaskSuccess", {"Api", "ProviderWebhooks", "AwaitApproval", "Sweep"}),
        ("CancelRenderFunction", {"Mcp", "Api", "RunBatchStep", "Sweep"}),
        ("ProbeVideoFunction", {"StoreVideo"}),
    ],
)
def test_a_right_that_does_harm_is_held_by_those_that_need_it(right: str, holders: set[str]) -> None:
    assert list_holders(right) == {f"{name}Function" for name in holders}


def test_the_function_with_the_decoder_reads_videos_and_nothing_else() -> None:
    decoding = [name for name, function in FUNCTIONS.items() if "MediaLayer" in json.dumps(function.properties)]

    assert decoding == ["ProbeVideoFunction"]
    (statement,) = list_statements("ProbeVideoFunction")
    assert statement["Action"] == ["s3:GetObject", "s3:GetObjectVersion"]
    assert statement["Resource"] == {"Fn::Sub": "${VideoBucket.Arn}/videos/*"}

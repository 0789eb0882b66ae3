"""Which functions of the template hold what: keys of providers, and a decoder for files of others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from checks.cloudformation import read_template

FUNCTIONS = read_template(Path(__file__).parents[2] / "template.yaml").of_type("AWS::Serverless::Function")


def list_statements(function: str) -> list[dict[str, Any]]:
    return [statement for policy in FUNCTIONS[function].properties["Policies"] for statement in policy["Statement"]]


def test_only_steps_that_call_providers_read_their_keys() -> None:
    holders = {name for name in FUNCTIONS if "/providers/" in json.dumps(list_statements(name))}

    assert holders == {
        "StartGenerationFunction",
        "CheckGenerationFunction",
        "StoreVideoFunction",
        "CancelRenderFunction",
    }


def test_the_function_with_the_decoder_reads_videos_and_nothing_else() -> None:
    decoding = [name for name, function in FUNCTIONS.items() if "MediaLayer" in json.dumps(function.properties)]

    assert decoding == ["ProbeVideoFunction"]
    (statement,) = list_statements("ProbeVideoFunction")
    assert statement["Action"] == ["s3:GetObject", "s3:GetObjectVersion"]
    assert statement["Resource"] == {"Fn::Sub": "${VideoBucket.Arn}/videos/*"}

"""Calls of one function of the stack by another, over botocore's own model of Lambda."""

from __future__ import annotations

import io

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from mediaposter.domain.errors import MediaError, MediaPosterError
from mediaposter.lambda_calls import RemoteCanceller, RemoteInspector
from mediaposter.media.inspection import InspectionReply, StoredVersion
from mediaposter.usecases.steps import RenderToCancel
from tests.builders import an_inspection

STORED = StoredVersion(key="videos/video_1/video.mp4", version_id="v1")


def inspect(payload: str, **answer: str) -> object:
    client = boto3.client("lambda", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    body = payload.encode()
    with Stubber(client) as stub:
        stub.add_response(
            "invoke",
            {"StatusCode": 200, "Payload": StreamingBody(io.BytesIO(body), len(body)), **answer},
            {"FunctionName": "probe", "Payload": STORED.model_dump_json()},
        )
        return RemoteInspector(client, "probe")(STORED)


def test_an_inspection_arrives_with_its_pictures() -> None:
    assert inspect(InspectionReply(inspection=an_inspection()).model_dump_json()) == an_inspection()


def test_a_refusal_is_of_the_file() -> None:
    with pytest.raises(MediaError, match="Nothing decodes"):
        inspect(InspectionReply(refusal="Nothing decodes.").model_dump_json())


def test_a_decoder_that_broke_down_says_nothing_of_the_file() -> None:
    with pytest.raises(MediaPosterError, match="ProbeVideoFunction failed") as caught:
        inspect('{"errorType": "Runtime.ExitError"}', FunctionError="Unhandled")
    assert not isinstance(caught.value, MediaError)


def test_a_render_is_handed_over_without_waiting_for_its_end() -> None:
    client = boto3.client("lambda", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    render = RenderToCancel(video_id="video_1", provider="runway", model="gen4.5", job_id="job_1")
    with Stubber(client) as stub:
        stub.add_response(
            "invoke",
            {"StatusCode": 202},
            {"FunctionName": "cancel", "InvocationType": "Event", "Payload": render.model_dump_json()},
        )
        RemoteCanceller(client, "cancel")(render)
        stub.assert_no_pending_responses()

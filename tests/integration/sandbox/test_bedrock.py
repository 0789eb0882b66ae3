"""Tests of the stand-in for Bedrock Runtime: boto3 speaks to it, moto's S3 takes its clips."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from moto import mock_aws
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from pydantic.alias_generators import to_camel

from sandbox.bedrock import create_app
from sandbox.bedrock_state import (
    BedrockFault,
    BedrockFaultScript,
    FailInvocation,
    OnCreate,
    OnRetrieve,
    Refuse,
    WithoutObject,
)
from sandbox.bedrock_wire import ErrorName, read_order
from sandbox.calls import CallLog
from sandbox.faults import AcceptThenDrop, AcceptThenRespond, Delay, Drop, NeverFinish, Respond, ShowStatus
from sandbox.serving import serve_in_thread

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

REPOSITORY = Path(__file__).parents[3]
RENDER_SECONDS = 100.0
REGION = "us-west-2"
BUCKET = "clips"
PROMPT = "A cat"
SMALL: dict[str, JsonValue] = {"prompt": PROMPT, "resolution": "540p", "aspect_ratio": "1:1"}
SCOPE = f"testing/20270115/{REGION}/bedrock/aws4_request"
SIGNED = {"authorization": f"AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=host, Signature={'0' * 64}"}
PNG = base64.b64encode(b"\x89PNG").decode()
FRAME: dict[str, JsonValue] = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": PNG},
}
UNKNOWN_ARN = f"arn:aws:bedrock:{REGION}:000000000000:async-invoke/abcdefghijkl"

Body = dict[str, JsonValue]


class Received(BaseModel):
    """What a client reads: no members but these."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class S3Output(Received):
    """Where a clip is."""

    s3_uri: str
    kms_key_id: str | None = None


class OutputData(Received):
    """Where a clip is."""

    s3_output_data_config: S3Output


class Seen(Received):
    """An invocation as a client reads it."""

    invocation_arn: str
    model_arn: str
    client_request_token: str | None = None
    status: str
    failure_message: str | None = None
    submit_time: datetime
    last_modified_time: datetime
    end_time: datetime | None = None
    output_data_config: OutputData

    @property
    def s3_uri(self) -> str:
        return self.output_data_config.s3_output_data_config.s3_uri

    @property
    def key(self) -> str:
        return f"{self.s3_uri.removeprefix(f's3://{BUCKET}/')}/output.mp4"


class Page(Received):
    """A page of invocations."""

    async_invoke_summaries: tuple[Seen, ...]
    next_token: str | None = None

    @property
    def arns(self) -> list[str]:
        return [seen.invocation_arn for seen in self.async_invoke_summaries]


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Sandbox:
    """A running stand-in and the ways to reach it."""

    def __init__(self, base_url: str, clock: Clock, s3: S3Client) -> None:
        self.base_url = base_url
        self.clock = clock
        self.s3 = s3
        self.http = httpx.Client(base_url=base_url, timeout=10)
        self.bedrock = self.connect()

    def close(self) -> None:
        self.http.close()

    def connect(self, *, region: str = REGION, **settings: Any) -> Any:  # boto3's clients for Bedrock have no types
        """Make a client that tries once, unless told otherwise."""
        config = Config(**{"retries": {"total_max_attempts": 1}, "read_timeout": 10, **settings})
        return boto3.client(
            "bedrock-runtime",
            endpoint_url=self.base_url,
            region_name=region,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            config=config,
        )

    def add_fault(self, rule: BedrockFault) -> None:
        reply = self.http.post("/_sandbox/faults", content=BedrockFaultScript(rules=(rule,)).model_dump_json())
        reply.raise_for_status()

    def read_calls(self) -> CallLog:
        return CallLog.model_validate_json(self.http.get("/_sandbox/calls").content)

    def start(self, *, s3_uri: str = f"s3://{BUCKET}/videos", **changes: Any) -> str:  # what boto3 takes has no types
        arguments = {
            "modelId": "luma.ray-v2:0",
            "modelInput": SMALL,
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": s3_uri}},
            **changes,
        }
        reply = self.bedrock.start_async_invoke(**arguments)
        assert isinstance(reply["invocationArn"], str)
        return reply["invocationArn"]

    def get(self, arn: str) -> Seen:
        return Seen.model_validate(strip(self.bedrock.get_async_invoke(invocationArn=arn)))

    def list_invocations(self, **query: str | int | datetime) -> Page:
        return Page.model_validate(strip(self.bedrock.list_async_invokes(**query)))

    def finish(self, arn: str) -> Seen:
        """Let the time of a render pass, and wait until the clip is delivered."""
        self.clock.now += RENDER_SECONDS
        deadline = time.monotonic() + 30
        while (seen := self.get(arn)).status == "InProgress" and time.monotonic() < deadline:
            pass
        assert seen.status != "InProgress"
        return seen

    def list_keys(self, prefix: str) -> list[str]:
        return [found["Key"] for found in self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]


def strip(reply: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Take away what boto3 tells of the HTTP reply."""
    return {name: value for name, value in reply.items() if name != "ResponseMetadata"}


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    clock = Clock()
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        app = create_app(s3=s3, render_seconds=RENDER_SECONDS, clock=clock)
        with serve_in_thread(app, base_path="") as base_url, closing(Sandbox(base_url, clock, s3)) as sandbox:
            yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.http.post("/_sandbox/reset").raise_for_status()
    return running


def read_error(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, str, int]:
    response = error.value.response
    return response["Error"]["Code"], response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_a_completed_invocation_left_a_playable_video_in_the_bucket(sandbox: Sandbox, tmp_path: Path) -> None:
    seen = sandbox.finish(sandbox.start())
    assert seen.status == "Completed"
    stored = sandbox.s3.get_object(Bucket=BUCKET, Key=seen.key)
    assert stored["ContentType"] == "video/mp4"
    (tmp_path / "output.mp4").write_bytes(stored["Body"].read())
    with av.open(str(tmp_path / "output.mp4")) as container:
        video = container.streams.video[0]
        assert (video.width, video.height, sum(1 for _ in container.decode(video=0))) == (540, 540, 5 * 24)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (1280, 720, 5)),
        ({"aspect_ratio": "9:16"}, (720, 1280, 5)),
        ({"aspect_ratio": "1:1"}, (720, 720, 5)),
        ({"aspect_ratio": "4:3"}, (960, 720, 5)),
        ({"aspect_ratio": "3:4"}, (720, 960, 5)),
        ({"aspect_ratio": "21:9"}, (1680, 720, 5)),
        ({"aspect_ratio": "9:21", "resolution": "540p"}, (540, 1260, 5)),
        ({"resolution": "540p", "duration": "9s"}, (960, 540, 9)),
    ],
)
def test_the_input_tells_how_large_and_how_long_the_clip_is(given: Body, expected: tuple[int, int, int]) -> None:
    start = {
        "modelId": "luma.ray-v2:0",
        "modelInput": {"prompt": PROMPT, **given},
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": f"s3://{BUCKET}"}},
    }
    order = read_order(json.dumps(start).encode())
    assert (order.width, order.height, order.seconds) == expected


def test_an_invocation_is_in_progress_until_its_time_has_come(sandbox: Sandbox) -> None:
    arn = sandbox.start(clientRequestToken="token-1")
    submitted_at = datetime.fromtimestamp(sandbox.clock.now, UTC)
    sandbox.clock.now += RENDER_SECONDS - 1
    seen = sandbox.get(arn)
    assert seen.model_dump(exclude={"output_data_config"}) == {
        "invocation_arn": arn,
        "model_arn": "arn:aws:bedrock:us-west-2::foundation-model/luma.ray-v2:0",
        "client_request_token": "token-1",
        "status": "InProgress",
        "failure_message": None,
        "submit_time": submitted_at,
        "last_modified_time": submitted_at,
        "end_time": None,
    }
    assert sandbox.list_keys(seen.key) == []


def test_an_ended_invocation_tells_when_it_ended(sandbox: Sandbox) -> None:
    seen = sandbox.finish(sandbox.start())
    assert seen.end_time == seen.last_modified_time == datetime.fromtimestamp(sandbox.clock.now, UTC)


def test_a_member_without_a_value_is_left_out(sandbox: Sandbox) -> None:
    arn = sandbox.start()
    assert list(sandbox.http.get(f"/async-invoke/{arn}", headers=SIGNED).json()) == [
        "invocationArn",
        "modelArn",
        "clientRequestToken",
        "status",
        "submitTime",
        "lastModifiedTime",
        "outputDataConfig",
    ]


@pytest.mark.parametrize(
    ("given", "folder"),
    [
        (f"s3://{BUCKET}", ""),
        (f"s3://{BUCKET}/", ""),
        (f"s3://{BUCKET}/videos", "videos/"),
        (f"s3://{BUCKET}/a/b/", "a/b/"),
    ],
)
def test_a_clip_lies_in_a_folder_of_its_invocation_which_get_tells(sandbox: Sandbox, given: str, folder: str) -> None:
    arn = sandbox.start(s3_uri=given)
    seen = sandbox.finish(arn)
    invocation_id = arn.rpartition("/")[2]
    assert seen.s3_uri == f"s3://{BUCKET}/{folder}{invocation_id}"
    assert sandbox.list_keys(f"{folder}{invocation_id}") == [f"{folder}{invocation_id}/output.mp4"]


def test_a_key_for_encryption_is_shown_again(sandbox: Sandbox) -> None:
    key = "arn:aws:kms:us-west-2:000000000000:key/01234567-89ab-cdef-0123-456789abcdef"
    arn = sandbox.start(outputDataConfig={"s3OutputDataConfig": {"s3Uri": f"s3://{BUCKET}", "kmsKeyId": key}})
    assert sandbox.get(arn).output_data_config.s3_output_data_config.kms_key_id == key


def test_a_clip_comes_to_the_bucket_though_nobody_asks(sandbox: Sandbox) -> None:
    key = sandbox.get(sandbox.start()).key
    sandbox.clock.now += RENDER_SECONDS
    deadline = time.monotonic() + 30
    while not (found := sandbox.list_keys(key)) and time.monotonic() < deadline:
        pass
    assert found == [key]


def test_the_same_start_with_the_same_token_is_one_invocation(sandbox: Sandbox) -> None:
    arn = sandbox.start(clientRequestToken="token-1")
    assert sandbox.start(clientRequestToken="token-1") == arn
    sandbox.finish(arn)
    assert sandbox.start(clientRequestToken="token-1") == arn
    assert sandbox.read_calls().creates_accepted == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"modelInput": {**SMALL, "prompt": "A dog"}},
        {"modelInput": {**SMALL, "loop": False}},
        {"s3_uri": f"s3://{BUCKET}/elsewhere"},
        {"tags": [{"key": "job", "value": "2"}]},
    ],
)
def test_another_start_with_the_same_token_is_a_conflict(sandbox: Sandbox, changes: dict[str, Any]) -> None:
    sandbox.start(clientRequestToken="token-1")
    with pytest.raises(ClientError) as refused:
        sandbox.start(clientRequestToken="token-1", **changes)
    code, message, status = read_error(refused)
    assert (code, status) == ("ConflictException", 400)
    assert "clientRequestToken" in message
    assert sandbox.read_calls().creates_accepted == 1


def test_starts_without_a_token_or_with_several_are_several_invocations(sandbox: Sandbox) -> None:
    body = {
        "modelId": "luma.ray-v2:0",
        "modelInput": SMALL,
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": f"s3://{BUCKET}"}},
    }
    for _ in range(2):
        sandbox.http.post("/async-invoke", json=body, headers=SIGNED).raise_for_status()
        sandbox.start()
    assert sandbox.read_calls().creates_accepted == 4


def test_a_token_counts_in_its_own_region(sandbox: Sandbox) -> None:
    arn = sandbox.start(clientRequestToken="token-1")
    sandbox.bedrock = sandbox.connect(region="us-east-1")
    try:
        other = sandbox.start(clientRequestToken="token-1")
    finally:
        sandbox.bedrock = sandbox.connect()
    assert (arn[:29], other[:29]) == ("arn:aws:bedrock:us-west-2:000", "arn:aws:bedrock:us-east-1:000")


def test_botocores_own_retry_of_a_start_without_an_answer_does_not_start_another(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(times=1, action=AcceptThenDrop()))
    sandbox.bedrock = sandbox.connect(retries={"mode": "standard"})
    try:
        arn = sandbox.start()
    finally:
        sandbox.bedrock = sandbox.connect()
    log = sandbox.read_calls()
    assert [(call.status, call.video_id) for call in log.calls] == [(None, arn), (200, arn)]
    assert log.creates_accepted == 1


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/async-invoke"), ("GET", "/async-invoke"), ("GET", f"/async-invoke/{UNKNOWN_ARN}")]
)
def test_a_call_that_is_not_signed_is_refused(sandbox: Sandbox, method: str, path: str) -> None:
    reply = sandbox.http.request(method, path)
    assert reply.status_code == 403
    assert reply.headers["x-amzn-errortype"].split(":")[0] == "MissingAuthenticationTokenException"


@pytest.mark.parametrize(
    ("authorization", "name", "status"),
    [
        ("Bearer bedrock-api-key", "IncompleteSignatureException", 400),
        (SIGNED["authorization"].removesuffix("0"), "IncompleteSignatureException", 400),
        (SIGNED["authorization"].replace("/bedrock/", "/bedrock-runtime/"), "InvalidSignatureException", 403),
    ],
)
def test_a_call_that_is_not_signed_for_bedrock_is_refused(
    sandbox: Sandbox, authorization: str, name: str, status: int
) -> None:
    reply = sandbox.http.get("/async-invoke", headers={"authorization": authorization})
    assert (reply.status_code, reply.headers["x-amzn-errortype"].split(":")[0]) == (status, name)
    assert authorization not in reply.text


def test_an_error_is_told_as_aws_tells_it(sandbox: Sandbox) -> None:
    reply = sandbox.http.get(f"/async-invoke/{UNKNOWN_ARN}", headers=SIGNED)
    assert reply.status_code == 400
    assert reply.headers["x-amzn-errortype"] == (
        "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/"
    )
    assert reply.headers["x-amzn-requestid"]
    assert reply.json() == {"message": "The provided invocation ARN does not exist."}


def test_an_unknown_path_is_refused(sandbox: Sandbox) -> None:
    reply = sandbox.http.get("/model/luma.ray-v2:0/invoke", headers=SIGNED)
    assert (reply.status_code, reply.headers["x-amzn-errortype"].split(":")[0]) == (404, "UnknownOperationException")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"modelId": ""}, "Value '' at 'modelId' failed to satisfy constraint: Member must have length greater than"),
        ({"modelId": "x" * 257}, "'modelId' failed to satisfy constraint: Member must have length less than or equal"),
        ({"modelId": "a b"}, "Value 'a b' at 'modelId' failed to satisfy constraint: Member must satisfy regular"),
        ({"modelId": None}, "Value at 'modelId' failed to satisfy constraint: Member must not be null"),
        ({"modelId": ..., "model_id": "luma.ray-v2:0"}, "Value at 'modelId' failed to satisfy constraint: Member must"),
        ({"modelInput": ...}, "Value at 'modelInput' failed to satisfy constraint: Member must not be null"),
        ({"outputDataConfig": {}}, "Value at 'outputDataConfig.s3OutputDataConfig' failed to satisfy constraint:"),
        ({"clientRequestToken": "a token"}, "Value 'a token' at 'clientRequestToken' failed to satisfy constraint:"),
        (
            {"outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "https://clips"}}},
            "Value 'https://clips' at 'outputDataConfig.s3OutputDataConfig.s3Uri' failed to satisfy constraint:",
        ),
        (
            {"outputDataConfig": {"s3OutputDataConfig": {"s3Uri": f"s3://{BUCKET}", "bucketOwner": "me"}}},
            "Value 'me' at 'outputDataConfig.s3OutputDataConfig.bucketOwner' failed to satisfy constraint:",
        ),
        ({"tags": [{"key": "a", "value": "b"}, {"key": "!", "value": "b"}]}, "Value '!' at 'tags.2.member.key' failed"),
    ],
)
def test_a_request_that_breaks_the_service_model_is_refused_by_member(
    sandbox: Sandbox, changes: dict[str, Any], complaint: str
) -> None:
    body = {
        "modelId": "luma.ray-v2:0",
        "modelInput": SMALL,
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": f"s3://{BUCKET}"}},
        **changes,
    }
    given = {name: value for name, value in body.items() if value is not ...}
    reply = sandbox.http.post("/async-invoke", json=given, headers=SIGNED)
    assert (reply.status_code, reply.headers["x-amzn-errortype"].split(":")[0]) == (400, "ValidationException")
    assert reply.json()["message"].startswith("1 validation error detected: ")
    assert complaint in reply.json()["message"]
    assert sandbox.read_calls().creates_accepted == 0


def test_several_broken_members_are_told_at_once(sandbox: Sandbox) -> None:
    reply = sandbox.http.post("/async-invoke", json={"modelInput": SMALL}, headers=SIGNED)
    assert reply.json()["message"] == (
        "2 validation errors detected: Value at 'modelId' failed to satisfy constraint: Member must not be null; "
        "Value at 'outputDataConfig' failed to satisfy constraint: Member must not be null"
    )


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"modelId": 1}'])
def test_a_body_that_makes_no_sense_is_refused(sandbox: Sandbox, body: bytes) -> None:
    reply = sandbox.http.post("/async-invoke", content=body, headers=SIGNED)
    assert (reply.status_code, reply.json()["message"]) == (400, "The provided request is not valid")


def test_a_member_that_aws_does_not_know_is_passed_over(sandbox: Sandbox) -> None:
    body = {
        "modelId": "luma.ray-v2:0",
        "modelInput": SMALL,
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": f"s3://{BUCKET}"}},
        "contentType": "application/json",
    }
    assert sandbox.http.post("/async-invoke", json=body, headers=SIGNED).status_code == 200


@pytest.mark.parametrize("model_id", ["luma.ray-v3:0", "amazon.nova-reel-v1:1", "luma.ray-v2"])
def test_another_model_is_refused(sandbox: Sandbox, model_id: str) -> None:
    with pytest.raises(ClientError) as refused:
        sandbox.start(modelId=model_id)
    assert read_error(refused) == ("ValidationException", "The provided model identifier is invalid.", 400)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({}, "#: required key [prompt] not found"),
        ({"prompt": ""}, "#/prompt: expected minLength: 1, actual: 0"),
        ({"prompt": "x" * 5001}, "#/prompt: expected maxLength: 5000, actual: 5001"),
        ({"prompt": 7}, "#/prompt: Input should be a valid string"),
        ({"prompt": PROMPT, "seed": 7}, "#: extraneous key [seed] is not permitted"),
        ({"prompt": PROMPT, "duration": "6s"}, "#/duration: 6s is not a valid enum value"),
        ({"prompt": PROMPT, "duration": 5}, "#/duration: 5 is not a valid enum value"),
        ({"prompt": PROMPT, "resolution": "1080p"}, "#/resolution: 1080p is not a valid enum value"),
        ({"prompt": PROMPT, "aspect_ratio": "1280:720"}, "#/aspect_ratio: 1280:720 is not a valid enum value"),
        ({"prompt": PROMPT, "loop": "true"}, "#/loop: Input should be a valid boolean"),
        ({"prompt": PROMPT, "loop": None}, "#: found: Null"),
        ({"prompt": PROMPT, "keyframes": {}}, "#/keyframes: No keyframes provided"),
        ({"prompt": PROMPT, "keyframes": {"frame2": FRAME}}, "#/keyframes: extraneous key [frame2] is not permitted"),
        ({"prompt": PROMPT, "loop": True, "keyframes": {"frame1": FRAME}}, "#: Loop is not supported for end frame"),
        (
            {"prompt": PROMPT, "keyframes": {"frame0": {"type": "image", "url": "https://example.com/cat.png"}}},
            "2 schema violations found",
        ),
        (
            {
                "prompt": PROMPT,
                "keyframes": {
                    "frame0": {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/webp", "data": PNG},
                    }
                },
            },
            "#/keyframes/frame0/source/media_type: image/webp is not a valid enum value",
        ),
        (
            {
                "prompt": PROMPT,
                "keyframes": {
                    "frame0": {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": f"data:image/png;base64,{PNG}"},
                    }
                },
            },
            "#/keyframes/frame0/source/data: is not base64",
        ),
    ],
)
def test_an_input_that_the_model_does_not_take_is_refused(sandbox: Sandbox, given: Body, complaint: str) -> None:
    with pytest.raises(ClientError) as refused:
        sandbox.start(modelInput=given)
    assert read_error(refused) == (
        "ValidationException",
        f"Malformed input request: {complaint}, please reformat your input and try again.",
        400,
    )
    assert sandbox.read_calls().creates_accepted == 0


def test_an_input_in_a_string_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(ClientError) as refused:
        sandbox.start(modelInput=json.dumps(SMALL))
    assert read_error(refused) == ("ValidationException", "The provided request is not valid", 400)


@pytest.mark.parametrize(
    ("given", "has_image"),
    [
        ({"prompt": "x" * 5000}, False),
        ({"prompt": PROMPT, "loop": True}, False),
        ({"prompt": PROMPT, "keyframes": {"frame0": FRAME}, "loop": True}, True),
        ({"prompt": PROMPT, "keyframes": {"frame1": FRAME}}, True),
        ({"prompt": PROMPT, "keyframes": {"frame0": FRAME, "frame1": FRAME}}, True),
    ],
)
def test_an_input_that_the_model_takes_is_accepted(sandbox: Sandbox, given: Body, has_image: bool) -> None:
    arn = sandbox.start(modelInput={"resolution": "540p", **given})
    call = sandbox.read_calls().calls[0]
    assert (call.video_id, call.prompt, call.input_reference) == (arn, given["prompt"], has_image)


def test_a_bucket_that_is_not_there_is_refused_at_the_start(sandbox: Sandbox) -> None:
    with pytest.raises(ClientError) as refused:
        sandbox.start(s3_uri="s3://nobodys-bucket/videos")
    assert read_error(refused) == ("ValidationException", "Invalid Output Config/Credentials", 400)
    assert sandbox.read_calls().creates_accepted == 0


def test_an_invocation_fails_whose_bucket_is_gone_when_the_clip_is_ready(sandbox: Sandbox) -> None:
    sandbox.s3.create_bucket(Bucket="short-lived")
    arn = sandbox.start(s3_uri="s3://short-lived")
    sandbox.s3.delete_bucket(Bucket="short-lived")
    seen = sandbox.finish(arn)
    assert (seen.status, seen.failure_message) == ("Failed", "Invalid Output Config/Credentials")
    assert seen.end_time is not None


@pytest.mark.parametrize("arn", [UNKNOWN_ARN, "abcdefghijkl", UNKNOWN_ARN.upper()])
def test_an_unknown_invocation_is_refused(sandbox: Sandbox, arn: str) -> None:
    with pytest.raises(ClientError) as refused:
        sandbox.get(arn)
    code, _, status = read_error(refused)
    assert (code, status) == ("ValidationException", 400)


@pytest.fixture
def four(sandbox: Sandbox) -> list[str]:
    """Four invocations, ten seconds apart: failed, failed, in progress, in progress."""
    sandbox.add_fault(OnCreate(times=2, action=FailInvocation()))
    sandbox.add_fault(OnCreate(times=2, action=NeverFinish()))
    arns = []
    for _ in range(4):
        arns.append(sandbox.start())
        sandbox.clock.now += 10
    for arn in arns[:2]:
        sandbox.finish(arn)
    return arns


def test_the_list_shows_the_latest_first_or_last(sandbox: Sandbox, four: list[str]) -> None:
    assert sandbox.list_invocations().arns == four[::-1]
    assert sandbox.list_invocations(sortBy="SubmissionTime", sortOrder="Ascending").arns == four


def test_the_list_shows_an_invocation_as_get_does(sandbox: Sandbox, four: list[str]) -> None:
    assert sandbox.list_invocations().async_invoke_summaries[-1] == sandbox.get(four[0])


def test_the_list_can_be_cut_down_to_a_status(sandbox: Sandbox, four: list[str]) -> None:
    assert sandbox.list_invocations(statusEquals="Failed").arns == [four[1], four[0]]
    assert sandbox.list_invocations(statusEquals="InProgress").arns == [four[3], four[2]]
    assert sandbox.list_invocations(statusEquals="Completed").arns == []


def test_the_list_can_be_cut_down_to_a_time(sandbox: Sandbox, four: list[str]) -> None:
    second, third = sandbox.get(four[1]).submit_time, sandbox.get(four[2]).submit_time
    assert sandbox.list_invocations(submitTimeAfter=second).arns == [four[3], four[2]]
    assert sandbox.list_invocations(submitTimeBefore=third).arns == [four[1], four[0]]


def test_the_list_comes_in_pages(sandbox: Sandbox, four: list[str]) -> None:
    first = sandbox.list_invocations(maxResults=3)
    assert first.next_token is not None
    second = sandbox.list_invocations(maxResults=3, nextToken=first.next_token)
    assert (first.arns + second.arns, second.next_token) == (four[::-1], None)


def test_the_list_is_of_one_region(sandbox: Sandbox, four: list[str]) -> None:
    other = sandbox.connect(region="us-east-1")
    assert other.list_async_invokes()["asyncInvokeSummaries"] == []


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ({"maxResults": "0"}, "Member must have value greater than or equal to 1"),
        ({"maxResults": "1001"}, "Member must have value less than or equal to 1000"),
        ({"statusEquals": "Done"}, "Member must satisfy enum value set: ['InProgress', 'Completed', 'Failed']"),
        ({"nextToken": "a b"}, "Member must satisfy regular expression pattern"),
        ({"nextToken": "page-x"}, "nextToken"),
        ({"submitTimeAfter": "yesterday"}, "The provided request is not valid"),
    ],
)
def test_a_query_that_breaks_the_service_model_is_refused(
    sandbox: Sandbox, query: dict[str, str], complaint: str
) -> None:
    reply = sandbox.http.get("/async-invoke", params=query, headers=SIGNED)
    assert (reply.status_code, reply.headers["x-amzn-errortype"].split(":")[0]) == (400, "ValidationException")
    assert complaint in reply.json()["message"]


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("ThrottlingException", 429, "Too many requests, please wait before trying again."),
        ("ServiceQuotaExceededException", 400, "Your request exceeds the service quota for your account."),
        ("AccessDeniedException", 403, "You don't have access to the model with the specified model ID."),
        ("InternalServerException", 500, "The system encountered an unexpected error during processing."),
        ("ServiceUnavailableException", 503, "Bedrock is unable to process your request."),
        ("ResourceNotFoundException", 404, "ResourceNotFoundException"),
    ],
)
def test_a_start_can_be_refused(sandbox: Sandbox, name: ErrorName, status: int, words: str) -> None:
    sandbox.add_fault(OnCreate(match="cat", times=1, action=Refuse(error=name)))
    with pytest.raises(ClientError) as refused:
        sandbox.start()
    code, message, seen_status = read_error(refused)
    assert (code, seen_status) == (name, status)
    assert message.startswith(words)
    assert isinstance(refused.value, getattr(sandbox.bedrock.exceptions, name))
    assert sandbox.read_calls().creates_accepted == 0
    assert sandbox.start()


def test_a_refusal_can_have_words_of_its_own(sandbox: Sandbox) -> None:
    blocked = "This request has been blocked by our content filters. Please adjust your text prompt."
    sandbox.add_fault(OnCreate(action=Refuse(error="ValidationException", message=blocked)))
    with pytest.raises(ClientError) as refused:
        sandbox.start()
    assert read_error(refused) == ("ValidationException", blocked, 400)


def test_a_start_can_be_dropped_before_and_after_it_is_accepted(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(times=1, action=Drop()))
    sandbox.add_fault(OnCreate(times=1, action=AcceptThenDrop()))
    for accepted in (0, 1):
        with pytest.raises(ConnectionClosedError):
            sandbox.start()
        assert sandbox.read_calls().creates_accepted == accepted


def test_a_start_can_be_answered_by_something_else(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(times=1, action=Respond(status=502, body="<html>")))
    sandbox.add_fault(OnCreate(times=1, action=AcceptThenRespond(status=500, body={"message": "Oh"})))
    for accepted, status in ((0, 502), (1, 500)):
        with pytest.raises(ClientError) as refused:
            sandbox.start()
        assert read_error(refused)[2] == status
        assert sandbox.read_calls().creates_accepted == accepted


def test_a_start_can_be_answered_late(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(times=1, action=Delay(seconds=0.5)))
    sandbox.bedrock = sandbox.connect(read_timeout=0.1)
    try:
        with pytest.raises(ReadTimeoutError):
            sandbox.start()
    finally:
        sandbox.bedrock = sandbox.connect()
    assert sandbox.read_calls().creates_accepted == 1


def test_an_invocation_can_fail(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(times=1, action=FailInvocation()))
    sandbox.add_fault(OnCreate(times=1, action=FailInvocation(message="Frame moderation failed")))
    first, second = sandbox.start(), sandbox.start()
    assert sandbox.get(first).status == "InProgress"
    seen = sandbox.finish(first)
    assert (seen.status, seen.failure_message) == ("Failed", "Advanced prompt moderation failed")
    assert sandbox.list_keys(seen.key) == []
    assert sandbox.finish(second).failure_message == "Frame moderation failed"


def test_an_invocation_can_be_completed_without_its_clip(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=WithoutObject()))
    seen = sandbox.finish(sandbox.start())
    assert (seen.status, sandbox.list_keys(seen.key)) == ("Completed", [])


def test_an_invocation_can_be_in_progress_for_ever(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(times=1, action=NeverFinish()))
    never, other = sandbox.start(), sandbox.start()
    assert sandbox.finish(other).status == "Completed"
    sandbox.clock.now += 1_000_000
    assert sandbox.get(never).status == "InProgress"
    assert sandbox.read_calls().in_flight == 1


def test_a_get_can_go_wrong(sandbox: Sandbox) -> None:
    arn = sandbox.start()
    sandbox.add_fault(OnRetrieve(times=1, action=Refuse(error="ThrottlingException")))
    sandbox.add_fault(OnRetrieve(times=1, action=Respond(status=502)))
    sandbox.add_fault(OnRetrieve(times=1, action=Drop()))
    sandbox.add_fault(OnRetrieve(times=1, action=ShowStatus(status="Paused")))
    with pytest.raises(ClientError, match="ThrottlingException"):
        sandbox.get(arn)
    with pytest.raises(ClientError, match="502"):
        sandbox.get(arn)
    with pytest.raises(ConnectionClosedError):
        sandbox.get(arn)
    assert sandbox.get(arn).status == "Paused"
    assert sandbox.get(arn).status == "InProgress"


def test_a_get_can_be_answered_late(sandbox: Sandbox) -> None:
    arn = sandbox.start()
    sandbox.add_fault(OnRetrieve(times=1, action=Delay(seconds=0.5)))
    with pytest.raises(ReadTimeoutError):
        sandbox.connect(read_timeout=0.1).get_async_invoke(invocationArn=arn)


def test_a_fault_meets_the_prompts_it_names(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(match="dog", action=Refuse(error="ThrottlingException")))
    assert sandbox.start()
    with pytest.raises(ClientError, match="ThrottlingException"):
        sandbox.start(modelInput={**SMALL, "prompt": "A dog"})


def test_faults_can_be_taken_out(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=Drop()))
    assert sandbox.http.delete("/_sandbox/faults").status_code == 204
    assert sandbox.start()


@pytest.mark.parametrize(
    "rule",
    [
        {"on": "create", "action": {"type": "explode"}},
        {"on": "create", "action": {"type": "refuse", "error": "TeapotException"}},
        {"on": "content", "action": {"type": "drop"}},
        {"on": "retrieve", "action": {"type": "never_finish"}},
    ],
)
def test_a_script_that_is_not_understood_is_refused(sandbox: Sandbox, rule: Body) -> None:
    assert sandbox.http.post("/_sandbox/faults", json={"rules": [rule]}).status_code == 400
    with pytest.raises(ValidationError):
        BedrockFaultScript.model_validate({"rules": [rule]})


def test_the_calls_are_told_with_their_invocations(sandbox: Sandbox) -> None:
    arn = sandbox.start()
    sandbox.get(arn)
    sandbox.list_invocations()
    log = sandbox.read_calls()
    assert [(call.method, call.path, call.video_id, call.status) for call in log.calls] == [
        ("POST", "/async-invoke", arn, 200),
        ("GET", f"/async-invoke/{arn}", arn, 200),
        ("GET", "/async-invoke", None, 200),
    ]
    assert (log.creates_accepted, log.in_flight, log.most_in_flight) == (1, 1, 1)


def test_a_reset_forgets_all_and_delivers_nothing_more(sandbox: Sandbox) -> None:
    arn = sandbox.start()
    key = sandbox.get(arn).key
    sandbox.http.post("/_sandbox/reset").raise_for_status()
    assert sandbox.read_calls() == CallLog(calls=(), creates_accepted=0, in_flight=0, most_in_flight=0)
    with pytest.raises(ClientError):
        sandbox.get(arn)
    sandbox.clock.now += RENDER_SECONDS
    # Its time comes when that of the forgotten one is past.
    assert sandbox.finish(sandbox.start()).status == "Completed"
    assert sandbox.list_keys(key) == []


def test_a_reset_leaves_alone_a_render_that_another_invocation_waits_for(sandbox: Sandbox) -> None:
    # Two are drawn at once, so the last is still in the queue when the reset comes.
    inputs = [{**SMALL, "prompt": f"A cat, {number}"} for number in range(4)]
    for given in inputs:
        sandbox.start(modelInput=given)
    sandbox.http.post("/_sandbox/reset").raise_for_status()
    assert sandbox.finish(sandbox.start(modelInput=inputs[-1])).status == "Completed"


def test_the_command_line_serves_until_it_is_told_to_end() -> None:
    command = [sys.executable, "-m", "sandbox.bedrock", "--port", "0", "--s3-endpoint", "http://127.0.0.1:9"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            base_url = json.loads(process.stdout.readline())["base_url"]
            assert httpx.get(f"{base_url}/async-invoke", headers=SIGNED).json() == {"asyncInvokeSummaries": []}
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=15) == -signal.SIGTERM
        finally:
            process.kill()

"""The SDK of AWS on the stand-in for Bedrock Runtime, and on the S3 that it writes to."""

import base64
import os
import time
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.integration.sandbox.sdks.stand_in import ORIGIN, draw_picture, is_mp4, play, read_calls

BUCKET = "clips"
SMALL = {"prompt": "A kite", "resolution": "540p", "aspect_ratio": "1:1", "duration": "5s"}
UNKNOWN = "arn:aws:bedrock:us-west-2:000000000000:async-invoke/abcdefghijkl"


def connect(service: Any, url: str, *, attempts: int = 1) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-west-2",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": attempts}, s3={"addressing_style": "path"}),
    )


@pytest.fixture(scope="module")
def bedrock() -> Any:
    return connect("bedrock-runtime", ORIGIN)


@pytest.fixture(scope="module")
def s3() -> Any:
    client = connect("s3", os.environ["S3"])
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    return client


def start(bedrock: Any, *, given: dict[str, Any] | None = None, **changes: Any) -> str:
    arguments = {
        "modelId": "luma.ray-v2:0",
        "modelInput": {**SMALL, **(given or {})},
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": f"s3://{BUCKET}/videos"}},
        **changes,
    }
    arn: str = bedrock.start_async_invoke(**arguments)["invocationArn"]
    return arn


def finish(bedrock: Any, arn: str) -> Any:
    deadline = time.monotonic() + 30
    while (seen := bedrock.get_async_invoke(invocationArn=arn))["status"] == "InProgress":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return seen


def test_a_video_is_made_from_a_text_and_lies_in_the_bucket(bedrock: Any, s3: Any) -> None:
    seen = finish(bedrock, start(bedrock))

    assert seen["status"] == "Completed"
    assert seen["submitTime"] <= seen["endTime"]
    uri = seen["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"]
    key = f"{uri.removeprefix(f's3://{BUCKET}/')}/output.mp4"
    assert is_mp4(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())


def test_a_video_is_made_from_a_picture(bedrock: Any, s3: Any) -> None:
    data = base64.b64encode(draw_picture(64, 64)).decode()
    frame = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}

    arn = start(bedrock, given={"prompt": "From a picture", "keyframes": {"frame0": frame}})

    assert finish(bedrock, arn)["status"] == "Completed"


def test_invocations_are_listed_by_status_and_over_pages(bedrock: Any, s3: Any) -> None:
    play("create", "Slow", times=2, type="never_finish")
    slow = [start(bedrock, given={"prompt": f"Slow {number}"}) for number in range(2)]

    pages = bedrock.get_paginator("list_async_invokes").paginate(
        statusEquals="InProgress", sortBy="SubmissionTime", sortOrder="Ascending", PaginationConfig={"PageSize": 1}
    )

    assert [each["invocationArn"] for page in pages for each in page["asyncInvokeSummaries"]] == slow


def test_the_same_start_with_the_same_token_is_one_invocation(bedrock: Any, s3: Any) -> None:
    first = start(bedrock, clientRequestToken="once")

    assert start(bedrock, clientRequestToken="once") == first
    with pytest.raises(bedrock.exceptions.ConflictException):
        start(bedrock, clientRequestToken="once", given={"prompt": "Another"})


def test_the_sdks_own_retry_of_a_start_without_an_answer_starts_no_other(s3: Any) -> None:
    play("create", "Lost", type="accept_then_drop")

    arn = start(connect("bedrock-runtime", ORIGIN, attempts=2), given={"prompt": "Lost"})

    assert [call["video_id"] for call in read_calls() if call["prompt"] == "Lost"] == [arn, arn]


@pytest.mark.parametrize(("fault", "status"), [({"type": "fail"}, "Failed"), ({"type": "without_object"}, "Completed")])
def test_an_invocation_can_leave_nothing_in_the_bucket(
    bedrock: Any, s3: Any, fault: dict[str, Any], status: str
) -> None:
    play("create", f"Nothing {status}", **fault)

    seen = finish(bedrock, start(bedrock, given={"prompt": f"Nothing {status}"}))

    assert (seen["status"], "failureMessage" in seen) == (status, status == "Failed")
    prefix = seen["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"].removeprefix(f"s3://{BUCKET}/")
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["KeyCount"] == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"given": {"resolution": "8k"}}, "Malformed input request: #/resolution"),
        ({"given": {"prompt": ""}}, "Malformed input request: #/prompt"),
        ({"given": {"seed": 1}}, "Malformed input request: #/seed"),
        ({"modelId": "luma.ray-v9"}, "The provided model identifier is invalid"),
        ({"clientRequestToken": "with a space"}, "Value at 'clientRequestToken'"),
        ({"outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://no-such-bucket/x"}}}, "Invalid Output Config"),
    ],
)
def test_what_is_wrong_is_a_validation_exception(bedrock: Any, s3: Any, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(bedrock.exceptions.ValidationException, match=message):
        start(bedrock, **wrong)


def test_an_unknown_invocation_is_a_validation_exception(bedrock: Any) -> None:
    with pytest.raises(bedrock.exceptions.ValidationException):
        bedrock.get_async_invoke(invocationArn=UNKNOWN)


def test_a_call_that_is_signed_for_another_service_is_refused() -> None:
    stranger = connect("bedrock-runtime", ORIGIN)
    stranger.meta.events.register("choose-signer.bedrock-runtime.*", lambda **_: "s3v4")
    stranger.meta.events.register("before-sign.bedrock-runtime.*", _sign_for_s3)

    with pytest.raises(ClientError) as refused:
        stranger.get_async_invoke(invocationArn=UNKNOWN)

    assert refused.value.response["Error"]["Code"] == "InvalidSignatureException"


def _sign_for_s3(request: Any, **_: Any) -> None:
    request.context["signing"] = {**request.context.get("signing", {}), "signing_name": "s3"}


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (403, "AccessDeniedException"),
        (429, "ThrottlingException"),
        (500, "InternalServerException"),
        (503, "ServiceUnavailableException"),
    ],
)
def test_a_busy_or_broken_service_is_the_sdks_own_exception(bedrock: Any, status: int, name: str) -> None:
    play("create", name, type="respond", status=status, headers={"x-amzn-errortype": name}, body={"message": "Later."})

    with pytest.raises(getattr(bedrock.exceptions, name), match="Later"):
        start(bedrock, given={"prompt": name})


def test_a_cut_connection_is_the_sdks_own_error(bedrock: Any) -> None:
    play("create", "Cut", type="drop")

    with pytest.raises(ConnectionClosedError):
        start(bedrock, given={"prompt": "Cut"})

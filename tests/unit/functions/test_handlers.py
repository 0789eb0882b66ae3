"""Every handler with its sample events: what it answers, what it keeps, and what it does not say."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from botocore.exceptions import ClientError
from openai.types import Video as OpenAIVideo

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.errors import ErrorCode
from mediaposter.media.inspection import InspectionReply
from mediaposter.stores.keys import ApiKey, Scope
from mediaposter.stores.posts import PostState
from mediaposter.stores.video_record import VideoFailure
from mediaposter.stores.video_stages import Stage
from sandbox.serving import serve_in_thread
from sandbox.videos_api import create_app
from tests.builders import NOW, a_post, a_stored_video, a_target, a_video, an_attempt, an_inspection
from tests.unit.functions.conftest import Invoke
from tests.unit.functions.stack import BUCKET, STACK, Event, Stack, read_event

_VIDEO_ID = "video_019ad1c2e4f08c1de2f3a4b5c6d7e8f9"
_OWNER = "key_5f0c1d2e3a4b5c6d"
_PROMPT = "A red kite over the sea at dawn, filmed from a cliff"
_SECRETS = f"/mediaposter/{STACK}"
_FAILURE = VideoFailure(code=ErrorCode.CONTENT_POLICY, message="The provider refused the prompt.")
_LEAVES_THE_MACHINE = pytest.mark.enable_socket(reason="the provider's stand-in listens on loopback")


def _a_video(**changes: Any) -> Any:
    return a_video(id=_VIDEO_ID, owner=_OWNER, prompt=_PROMPT, **changes)


def _a_stored_video(**changes: Any) -> Any:
    return _a_video(
        stage=Stage.PUBLISHING, stored=a_stored_video(_VIDEO_ID), provider_job_id="job-1", completed_at=NOW, **changes
    )


def _a_post(**changes: Any) -> Any:
    return a_post(a_target("twitter", "101"), video_id=_VIDEO_ID, **changes)


def _an_api_key(event: Event, **changes: Any) -> ApiKey:
    """Build the key that an authorizer's event shows."""
    secret = str(event["authorizationToken"]).removeprefix("Bearer ")
    return ApiKey(
        key_hash=hashlib.sha256(secret.encode()).hexdigest(),
        owner=_OWNER,
        name="laptop",
        scopes=(Scope.READ, Scope.CREATE),
        created_at=NOW,
        **changes,
    )


def _ask_for_list(**query: str) -> Event:
    """Build the event of a GET /videos."""
    event = read_event("library-retrieve")
    return {**event, "path": "/videos", "resource": "/videos", "queryStringParameters": query}


def _body(answer: Any) -> Any:
    return json.loads(answer["body"])


def _headers(answer: Any) -> dict[str, str]:
    return {name.lower(): ",".join(values) for name, values in answer["multiValueHeaders"].items()}


class TestAuthorize:
    def test_the_routes_learn_the_owner_and_the_scopes_of_a_key_that_is_not_logged(
        self, stack: Stack, invoke: Invoke, log: io.StringIO
    ) -> None:
        event = read_event("authorize-known-key")
        stored = _an_api_key(event)
        stack.keep(stored)

        answer = invoke("AuthorizeFunction", event)

        assert answer["principalId"] == _OWNER
        assert answer["context"] == {
            "owner": _OWNER,
            "key": _OWNER,
            "key_hash": stored.key_hash,
            "scopes": "read create",
            "accounts": "",
            "daily_budget_micros": "",
            "monthly_budget_micros": "",
            "rate_per_minute": "",
            "webhook_url": "",
            "key_name": "laptop",
            "expires_at": "",
        }
        assert event["authorizationToken"] not in log.getvalue()

    @pytest.mark.parametrize("header", ["Bearer sk-not-one-of-ours", "", None])
    def test_what_is_no_key_is_denied_without_a_context(self, stack: Stack, invoke: Invoke, header: str | None) -> None:
        event = read_event("authorize-known-key")
        if header is None:
            stack.keep(_an_api_key(event, revoked_at=NOW))
        else:
            # What has not the form of a key is not looked for.
            stack.tell(LibraryTable="gone")
            event["authorizationToken"] = header

        answer = invoke("AuthorizeFunction", event)

        assert answer["policyDocument"]["Statement"][0]["Effect"] == "Deny"
        assert answer.keys() == {"principalId", "policyDocument"}


class TestSubmit:
    @pytest.mark.parametrize("name", ["submit", "submit-multipart"])
    def test_a_request_is_recorded_with_its_posts_and_started(self, stack: Stack, invoke: Invoke, name: str) -> None:
        answer = invoke("SubmitFunction", read_event(name))

        assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, False)
        shown = OpenAIVideo.model_validate(_body(answer))
        assert (shown.status, shown.model, shown.seconds, shown.size) == ("queued", "sora-2", "8", "1280x720")
        video_id = shown.id
        assert re.fullmatch(r"video_[0-9a-f]{32}", video_id)
        video = stack.video(video_id)
        assert (video.owner, video.stage, video.metadata) == (_OWNER, Stage.QUEUED, {"campaign": "autumn"})
        assert [(post.target.post_id, post.text) for post in stack.posts(video_id)] == [
            ("twitter#101", "Up with the birds."),
            ("youtube#202", _PROMPT),
        ]
        assert stack.executions() == [(video_id, json.dumps({"video_id": video_id, "launch": 0}))]

    @pytest.mark.parametrize("limit", [{"UploadsPerDay": "1"}, {"UploadGibPerDay": "1"}], ids=["number", "bytes"])
    def test_an_owner_who_opened_enough_for_a_day_waits_for_the_next(
        self, stack: Stack, invoke: Invoke, limit: dict[str, str]
    ) -> None:
        stack.tell(**limit)
        event = read_event("submit-upload")
        file = {**event, "body": json.dumps({"content_type": "text/csv", "size_bytes": 100 * 1024**2})}

        answers = [invoke("SubmitFunction", file) for _ in range(11 if "UploadGibPerDay" in limit else 2)]

        assert [answer["statusCode"] for answer in answers] == [200] * (len(answers) - 1) + [429]
        assert "Nothing was opened" in answers[-1]["body"]

    def test_a_fault_says_nothing_of_the_prompt(self, stack: Stack, invoke: Invoke, log: io.StringIO) -> None:
        stack.tell(LibraryTable="gone")

        with pytest.raises(ClientError) as caught:
            invoke("SubmitFunction", read_event("submit"))

        assert _PROMPT not in "".join(traceback.format_exception(caught.value)) + log.getvalue()


class TestLibrary:
    def test_a_video_is_answered_with_its_posts(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(_a_stored_video(), _a_post(state=PostState.PUBLISHED, public_url="https://x.example/1"))

        answer = invoke("ApiFunction", read_event("library-retrieve"))

        assert answer["statusCode"] == 200
        assert _headers(answer) == {
            "content-type": "application/json",
            "openai-poll-after-ms": "5000",
            "x-request-id": read_event("library-retrieve")["requestContext"]["requestId"],
        }
        video = OpenAIVideo.model_validate(_body(answer))
        assert (video.id, video.status, video.completed_at) == (_VIDEO_ID, "completed", int(NOW.timestamp()))
        (post,) = _body(answer)["posts"]
        assert (post["platform"], post["status"], post["url"]) == ("twitter", "published", "https://x.example/1")

    def test_a_parameter_may_be_repeated(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(_a_video(stage=Stage.RENDERING, rendering_since=NOW))
        event = _ask_for_list(stage="queued")

        answer = invoke(
            "ApiFunction", {**event, "multiValueQueryStringParameters": {"stage": ["rendering", "queued,storing"]}}
        )

        [video] = _body(answer)["data"]
        assert (video["id"], video["queue_position"]) == (_VIDEO_ID, None)
        assert video["eta_at"] > NOW.timestamp()

    def test_a_kept_video_is_answered_with_links_that_need_no_key(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(_a_stored_video())

        (listed,) = _body(invoke("ApiFunction", _ask_for_list(limit="1")))["data"]

        signed = dict(parse_qsl(urlsplit(listed["links"]["video"]).query))
        signed_at = datetime.strptime(f"{signed['X-Amz-Date']}+0000", "%Y%m%dT%H%M%SZ%z").timestamp()
        # Never later than S3 refuses them, and at most a slow signature earlier.
        assert 0 <= signed_at + int(signed["X-Amz-Expires"]) - listed["links"]["expires_at"] < 60

    def test_content_is_a_redirect_to_a_signed_url_that_is_not_to_be_kept(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(_a_stored_video())

        answer = invoke("ApiFunction", read_event("library-content"))

        assert (answer["statusCode"], _headers(answer)["cache-control"]) == (302, "no-store")
        url = httpx.URL(_headers(answer)["location"])
        assert BUCKET in url.host + url.path
        assert url.path.endswith(f"/videos/{_VIDEO_ID}/video.mp4")
        assert {"X-Amz-Signature", "X-Amz-Expires"} <= url.params.keys()


class Provider(NamedTuple):
    """The provider's stand-in, with a job that is finished and one that runs."""

    base_url: str
    finished: str
    running: str


@pytest.fixture(scope="module")
def running_provider() -> Iterator[Provider]:
    """Serve the provider, and have it draw one clip for all tests."""
    clock = [1_800_000_000.0]
    auth = {"Authorization": "Bearer sk-sandbox"}
    with (
        serve_in_thread(create_app(render_seconds=100, clock=lambda: clock[0])) as base_url,
        httpx.Client(base_url=base_url, headers=auth) as client,
    ):

        def create_job() -> str:
            request = {"prompt": _PROMPT, "model": "sora-2", "seconds": "4", "size": "720x1280"}
            return str(client.post("/videos", json=request).raise_for_status().json()["id"])

        finished = create_job()
        clock[0] += 1_000
        until = time.monotonic() + 60
        while client.get(f"/videos/{finished}").json()["status"] != "completed":
            assert time.monotonic() < until, "it is not drawn"
            time.sleep(0.05)
        yield Provider(base_url, finished, create_job())


@pytest.fixture
def provider(stack: Stack, running_provider: Provider) -> Provider:
    """Tell the stack of the provider."""
    stack.tell(ProviderBaseUrls=f"sora={running_provider.base_url}")
    name = f"{_SECRETS}/providers/sora-api-key"
    stack.client("ssm").put_parameter(Name=name, Value="sk-sandbox", Type="SecureString")
    return running_provider


class TestGenerate:
    @_LEAVES_THE_MACHINE
    def test_a_queued_video_is_started_at_its_provider(self, stack: Stack, invoke: Invoke, provider: Provider) -> None:
        stack.keep(_a_video())

        answer = invoke("StartGenerationFunction", read_event("startgeneration"))

        # The usual time of the model says when to ask for the first time.
        assert (answer["outcome"], answer["wait_seconds"] > 30) == ("started", True)
        assert stack.video(_VIDEO_ID).stage is Stage.RENDERING

    def test_a_key_that_was_never_put_fails_the_video_and_says_where_it_goes(
        self, stack: Stack, invoke: Invoke
    ) -> None:
        stack.keep(_a_video())

        assert invoke("StartGenerationFunction", read_event("startgeneration"))["outcome"] == "failed"

        failure = stack.video(_VIDEO_ID).failure
        assert failure is not None
        assert failure.code is ErrorCode.AUTHENTICATION
        assert f"{_SECRETS}/providers/sora-api-key" in failure.message

    @_LEAVES_THE_MACHINE
    @pytest.mark.parametrize("outcome", ["wait", "completed"])
    def test_a_render_is_waited_for_until_it_is_finished(
        self, stack: Stack, invoke: Invoke, provider: Provider, outcome: str
    ) -> None:
        is_done = outcome == "completed"
        job_id, now = provider.finished if is_done else provider.running, datetime.now(UTC)
        since = {"rendering_since": now, "deadline_at": now + timedelta(hours=1)}
        attempts = (an_attempt(provider_job_id=job_id),)
        stack.keep(_a_video(stage=Stage.RENDERING, provider_job_id=job_id, attempts=attempts, **since))

        answer = invoke(
            "CheckGenerationFunction", read_event("checkgeneration-completed" if is_done else "checkgeneration-running")
        )

        assert (answer["outcome"], answer["wait_seconds"] >= 5) == (outcome, not is_done)
        assert stack.video(_VIDEO_ID).stage is (Stage.STORING if is_done else Stage.RENDERING)

    def test_a_step_logs_its_outcome_under_the_videos_id(self, stack: Stack, invoke: Invoke, log: io.StringIO) -> None:
        stack.keep(_a_video(failure=_FAILURE))

        invoke("StartGenerationFunction", read_event("startgeneration"))

        (line,) = [json.loads(text) for text in log.getvalue().splitlines()]
        assert (line["message"], line["outcome"], line["correlation_id"]) == ("step", "failed", _VIDEO_ID)
        assert _PROMPT not in log.getvalue()


class TestFinalize:
    @_LEAVES_THE_MACHINE
    def test_a_finished_video_is_kept_and_its_posts_are_named(
        self, stack: Stack, invoke: Invoke, provider: Provider
    ) -> None:
        stack.keep(_a_video(stage=Stage.STORING, provider_job_id=provider.finished), _a_post())
        stack.make_function("ProbeVideoFunction", InspectionReply(inspection=an_inspection()).model_dump_json())

        answer = invoke("StoreVideoFunction", read_event("storevideo"))

        post = {"video_id": _VIDEO_ID, "post_id": "twitter#101"}
        assert answer == {"outcome": "stored", "wait_seconds": 0, "listen": None, "posts": [post]}
        kept = stack.client("s3").head_object(Bucket=BUCKET, Key=f"videos/{_VIDEO_ID}/video.mp4")
        stored = stack.video(_VIDEO_ID).stored
        assert stored is not None
        assert kept["ContentLength"] == stored.size_bytes

    def test_a_stored_video_is_decoded_by_a_function_of_its_own(
        self, stack: Stack, invoke: Invoke, moov_first_mp4: bytes
    ) -> None:
        event = read_event("probevideo")
        stack.client("s3").put_object(Bucket=BUCKET, Key=event["key"], Body=moov_first_mp4)

        reply = InspectionReply.model_validate_json(json.dumps(invoke("ProbeVideoFunction", event)))
        stack.client("s3").put_object(Bucket=BUCKET, Key=event["key"], Body=b"<html>" * 10)
        refused = invoke("ProbeVideoFunction", event)

        assert "not an MP4" in refused["refusal"]
        assert reply.inspection is not None
        assert (reply.inspection.probe.width, reply.inspection.thumbnail[:4]) == (320, b"RIFF")

    def test_a_post_without_a_key_fails_says_where_it_goes_and_is_counted_for_its_stack(
        self, stack: Stack, invoke: Invoke, capsys: pytest.CaptureFixture[str]
    ) -> None:
        stack.keep(_a_stored_video(), _a_post())

        assert invoke("CreatePostFunction", read_event("createpost"))["outcome"] == "settled"

        (post,) = stack.posts(_VIDEO_ID)
        assert (post.state, post.error_code) == (PostState.FAILED, ErrorCode.AUTHENTICATION)
        assert f"{_SECRETS}/blotato-api-key" in str(post.error_message)
        failed, refused = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
        assert (failed["stack"], failed["PostsFailed"]) == (STACK, [1.0])
        assert (refused["stack"], refused["PublisherKeyRefused"]) == (STACK, [1.0])

    def test_a_post_that_cannot_be_asked_about_is_asked_about_later(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(_a_stored_video(), _a_post(state=PostState.SUBMITTED, submission_id="submission-1"))

        answer = invoke("CheckPostFunction", read_event("checkpost"))

        assert (answer["outcome"], answer["wait_seconds"]) == ("wait", 10)

    def test_closing_tells_the_bus(self, stack: Stack, invoke: Invoke) -> None:
        bus = stack.client("events").describe_event_bus(Name=STACK)["Arn"]
        stack.client("events").create_archive(ArchiveName="seen", EventSourceArn=bus)
        stack.keep(_a_stored_video())

        assert invoke("CloseVideoFunction", read_event("closevideo"))["outcome"] == "closed"

        assert stack.client("events").describe_archive(ArchiveName="seen")["EventCount"] == 1

    @pytest.mark.parametrize(
        ("name", "fault"),
        [("closevideo-execution-failed", "Lambda.Unknown"), ("closevideo-from-event", "execution TIMED_OUT")],
    )
    def test_a_video_whose_execution_broke_off_fails_when_its_time_is_over_and_says_why(
        self, stack: Stack, invoke: Invoke, name: str, fault: str
    ) -> None:
        long_ago = datetime.now(UTC) - timedelta(days=3)
        stack.keep(_a_video(stage=Stage.RENDERING, provider_job_id="job-1", deadline_at=long_ago))

        assert invoke("CloseVideoFunction", read_event(name))["outcome"] == "closed"

        video = stack.video(_VIDEO_ID)
        assert video.failure is not None
        assert (video.status, video.failure.code) == (VideoStatus.FAILED, ErrorCode.INTERNAL_ERROR)
        assert fault in video.failure.message


class TestSweep:
    def test_a_video_that_was_never_started_is_failed(self, stack: Stack, invoke: Invoke) -> None:
        created_at = datetime.now(UTC) - timedelta(minutes=10)
        stack.keep(_a_video(created_at=created_at, updated_at=created_at))

        assert invoke("SweepFunction", read_event("sweep")) is None

        assert stack.video(_VIDEO_ID).status is VideoStatus.FAILED


def test_a_multipart_sample_says_what_the_json_sample_says() -> None:
    form, plain = read_event("submit-multipart"), read_event("submit")

    content = base64.b64decode(form["body"]).decode()

    for name, value in json.loads(plain["body"]).items():
        text = value if isinstance(value, str) else json.dumps(value)
        assert f'name="{name}"\r\n\r\n{text}\r\n' in content

"""Every handler with its sample events: what it answers, what it keeps, and what it does not say."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
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


def _ask_for_usage(owner: str, **caller: str) -> Event:
    """Build the event of a GET /usage of an owner."""
    event = read_event("library-retrieve")
    context = event["requestContext"]
    return {
        **event,
        "path": "/usage",
        "resource": "/usage",
        "queryStringParameters": {"owner": owner},
        "multiValueQueryStringParameters": {"owner": [owner]},
        "requestContext": {**context, "authorizer": {**context["authorizer"], **caller}},
    }


def _ask_for_list(**query: str) -> Event:
    """Build the event of a GET /videos."""
    event = read_event("library-retrieve")
    return {**event, "path": "/videos", "resource": "/videos", "queryStringParameters": query}


def _statement(answer: Any) -> Any:
    (statement,) = answer["policyDocument"]["Statement"]
    return statement


def _body(answer: Any) -> Any:
    return json.loads(answer["body"])


def _headers(answer: Any) -> dict[str, str]:
    return {name.lower(): ",".join(values) for name, values in answer["multiValueHeaders"].items()}


def _error(answer: Any) -> Any:
    """Give the error of an envelope, which has nothing else."""
    assert _headers(answer)["content-type"] == "application/json"
    ((name, error),) = _body(answer).items()
    assert name == "error"
    assert list(error) == ["message", "type", "param", "code"]
    return error


class TestAuthorize:
    def test_the_routes_learn_the_owner_and_the_scopes_of_a_key(self, stack: Stack, invoke: Invoke) -> None:
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

    def test_an_unknown_key_is_denied_without_a_context(self, invoke: Invoke) -> None:
        answer = invoke("AuthorizeFunction", read_event("authorize-unknown-key"))

        assert _statement(answer)["Effect"] == "Deny"
        assert answer.keys() == {"principalId", "policyDocument"}

    def test_a_revoked_key_is_denied(self, stack: Stack, invoke: Invoke) -> None:
        event = read_event("authorize-known-key")
        stack.keep(_an_api_key(event, revoked_at=NOW))

        assert _statement(invoke("AuthorizeFunction", event))["Effect"] == "Deny"

    @pytest.mark.parametrize("header", ["Bearer sk-not-one-of-ours", ""])
    def test_a_header_that_is_no_key_of_ours_is_denied_without_a_look(
        self, stack: Stack, invoke: Invoke, header: str
    ) -> None:
        stack.tell(LibraryTable="gone")
        event = {**read_event("authorize-known-key"), "authorizationToken": header}

        assert _statement(invoke("AuthorizeFunction", event))["Effect"] == "Deny"

    def test_the_key_is_not_logged(self, stack: Stack, invoke: Invoke, log: io.StringIO) -> None:
        event = read_event("authorize-known-key")
        stack.keep(_an_api_key(event))

        invoke("AuthorizeFunction", event)

        assert event["authorizationToken"] not in log.getvalue()


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

    def test_a_place_for_a_picture_is_opened(self, invoke: Invoke) -> None:
        answer = invoke("SubmitFunction", read_event("submit-upload"))

        assert answer["statusCode"] == 200
        assert _body(answer)["id"].startswith("upload_")

    @pytest.mark.parametrize("limit", [{"UploadsPerDay": "1"}, {"UploadGibPerDay": "1"}], ids=["number", "bytes"])
    def test_an_owner_who_opened_enough_for_a_day_waits_for_the_next(
        self, stack: Stack, invoke: Invoke, limit: dict[str, str]
    ) -> None:
        stack.tell(**limit)
        event = read_event("submit-upload")
        file = {**event, "body": json.dumps({"content_type": "text/csv", "size_bytes": 100 * 1024**2})}

        answers = [invoke("SubmitFunction", file) for _ in range(11 if "UploadGibPerDay" in limit else 2)]

        assert [answer["statusCode"] for answer in answers] == [200] * (len(answers) - 1) + [429]
        error = _error(answers[-1])
        assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
        assert "Nothing was opened" in error["message"]
        assert 0 < int(_headers(answers[-1])["retry-after"]) <= 24 * 60 * 60

    @pytest.mark.parametrize("query", [None, {"dry_run": "true"}], ids=["create", "dry run"])
    def test_a_key_that_is_for_other_accounts_is_told_which_is_missing(
        self, stack: Stack, invoke: Invoke, query: dict[str, str] | None
    ) -> None:
        event = read_event("submit")
        event["requestContext"]["authorizer"]["accounts"] = "youtube:202"
        multi = {name: [value] for name, value in (query or {}).items()} or None
        event |= {"queryStringParameters": query, "multiValueQueryStringParameters": multi}

        answer = invoke("SubmitFunction", event)

        assert answer["statusCode"] == 403
        error = _error(answer)
        assert (error["code"], error["param"]) == ("account_not_allowed", "publish[0].account_id")
        assert "twitter account 101" in error["message"]
        assert "--account twitter:101" in error["message"]
        assert stack.executions() == []

    def test_a_start_that_is_not_confirmed_asks_for_another_request(self, stack: Stack, invoke: Invoke) -> None:
        stack.tell(VideoStateMachine="arn:aws:states:us-east-1:123456789012:stateMachine:gone")

        answer = invoke("SubmitFunction", read_event("submit"))

        assert (answer["statusCode"], _headers(answer)["retry-after"]) == (503, "5")
        assert (_error(answer)["type"], _error(answer)["code"]) == ("server_error", "not_started")

    def test_a_fault_says_nothing_of_the_prompt(self, stack: Stack, invoke: Invoke, log: io.StringIO) -> None:
        stack.tell(LibraryTable="gone")

        with pytest.raises(ClientError) as caught:
            invoke("SubmitFunction", read_event("submit"))

        assert _PROMPT not in "".join(traceback.format_exception(caught.value)) + log.getvalue()

    @pytest.mark.parametrize("name", ["submit", "submit-bad-size"])
    def test_neither_prompt_nor_key_is_logged(self, invoke: Invoke, log: io.StringIO, name: str) -> None:
        event = read_event(name)

        invoke("SubmitFunction", event)

        assert _PROMPT not in log.getvalue()
        assert event["headers"]["Authorization"] not in log.getvalue()


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
        read = _body(invoke("ApiFunction", read_event("library-retrieve")))

        for links in (listed["links"], read["links"]):
            signed = dict(parse_qsl(urlsplit(links["video"]).query))
            assert "X-Amz-Signature" in signed
            signed_at = datetime.strptime(f"{signed['X-Amz-Date']}+0000", "%Y%m%dT%H%M%SZ%z").timestamp()
            # Never later than S3 refuses them, and at most a slow signature earlier.
            assert 0 <= signed_at + int(signed["X-Amz-Expires"]) - links["expires_at"] < 60

    def test_content_is_a_redirect_to_a_signed_url_that_is_not_to_be_kept(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(_a_stored_video())

        answer = invoke("ApiFunction", read_event("library-content"))

        assert (answer["statusCode"], _headers(answer)["cache-control"]) == (302, "no-store")
        url = httpx.URL(_headers(answer)["location"])
        assert BUCKET in url.host + url.path
        assert url.path.endswith(f"/videos/{_VIDEO_ID}/video.mp4")
        assert {"X-Amz-Signature", "X-Amz-Expires"} <= url.params.keys()

    @pytest.mark.parametrize(("owner", "limit_usd"), [("*", "9"), ("somebody", None)])
    def test_an_admin_sees_the_limit_of_the_stack_and_none_of_another_owner(
        self, stack: Stack, invoke: Invoke, owner: str, limit_usd: str | None
    ) -> None:
        stack.tell(DailyBudgetUsd="9")

        answer = invoke("ApiFunction", _ask_for_usage(owner, scopes="admin", daily_budget_micros="5000000"))

        assert (answer["statusCode"], _body(answer)["limit_usd"], _body(answer)["left_usd"]) == (
            200,
            limit_usd,
            limit_usd,
        )

    def test_an_owner_that_may_not_be_seen_is_not_called_a_video(self, invoke: Invoke) -> None:
        answer = invoke("ApiFunction", _ask_for_usage("somebody", scopes="read"))

        assert (answer["statusCode"], _error(answer)["message"]) == (404, "There is no such owner.")

    def test_the_signed_url_is_not_logged(self, stack: Stack, invoke: Invoke, log: io.StringIO) -> None:
        stack.keep(_a_stored_video())

        invoke("ApiFunction", read_event("library-content"))

        assert "X-Amz-Signature" not in log.getvalue()

    def test_a_fault_is_raised_so_that_it_counts_as_an_error(self, stack: Stack, invoke: Invoke) -> None:
        stack.tell(LibraryTable="gone")

        with pytest.raises(ClientError):
            invoke("ApiFunction", read_event("library-retrieve"))


class Provider(NamedTuple):
    """The provider's stand-in, with a clock that a test moves."""

    base_url: str
    clock: list[float]

    def create_job(self) -> str:
        """Start a job, as an earlier step did."""
        answer = httpx.post(
            f"{self.base_url}/videos",
            json={"prompt": _PROMPT, "model": "sora-2", "seconds": "4", "size": "720x1280"},
            headers={"Authorization": "Bearer sk-sandbox"},
        )
        return str(answer.raise_for_status().json()["id"])

    def finish(self, job_id: str) -> None:
        """Let the time of a render pass, and ask until its file is really there."""
        self.clock[0] += 1_000
        for _ in range(10_000):
            answer = httpx.get(f"{self.base_url}/videos/{job_id}", headers={"Authorization": "Bearer sk-sandbox"})
            if answer.json()["status"] == "completed":
                return
        raise AssertionError(f"{job_id} is not drawn")


@pytest.fixture
def provider(stack: Stack) -> Iterator[Provider]:
    """Serve the provider, and tell the stack of it."""
    clock = [1_800_000_000.0]
    with serve_in_thread(create_app(render_seconds=100, clock=lambda: clock[0])) as base_url:
        stack.tell(ProviderBaseUrls=f"sora={base_url}")
        stack.client("ssm").put_parameter(
            Name=f"{_SECRETS}/providers/sora-api-key", Value="sk-sandbox", Type="SecureString"
        )
        yield Provider(base_url, clock)


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
    def test_a_running_render_is_waited_for(self, stack: Stack, invoke: Invoke, provider: Provider) -> None:
        stack.keep(self._rendering(provider.create_job()))

        answer = invoke("CheckGenerationFunction", read_event("checkgeneration-running"))

        assert (answer["outcome"], answer["wait_seconds"] >= 5) == ("wait", True)
        assert stack.video(_VIDEO_ID).stage is Stage.RENDERING

    @_LEAVES_THE_MACHINE
    def test_a_finished_render_is_completed(self, stack: Stack, invoke: Invoke, provider: Provider) -> None:
        job_id = provider.create_job()
        provider.finish(job_id)
        stack.keep(self._rendering(job_id))

        answer = invoke("CheckGenerationFunction", read_event("checkgeneration-completed"))

        assert answer == {"outcome": "completed", "wait_seconds": 0, "listen": None, "posts": []}
        assert stack.video(_VIDEO_ID).stage is Stage.STORING

    def test_a_step_logs_its_outcome_under_the_videos_id(self, stack: Stack, invoke: Invoke, log: io.StringIO) -> None:
        stack.keep(_a_video(failure=_FAILURE))

        invoke("StartGenerationFunction", read_event("startgeneration"))

        (line,) = [json.loads(text) for text in log.getvalue().splitlines()]
        assert (line["message"], line["outcome"], line["correlation_id"]) == ("step", "failed", _VIDEO_ID)
        assert _PROMPT not in log.getvalue()

    def _rendering(self, job_id: str) -> Any:
        now = datetime.now(UTC)
        return _a_video(
            stage=Stage.RENDERING,
            provider_job_id=job_id,
            attempts=(an_attempt(provider_job_id=job_id),),
            rendering_since=now,
            deadline_at=now + timedelta(hours=1),
        )


class TestFinalize:
    @_LEAVES_THE_MACHINE
    def test_a_finished_video_is_kept_and_its_posts_are_named(
        self, stack: Stack, invoke: Invoke, provider: Provider
    ) -> None:
        job_id = provider.create_job()
        provider.finish(job_id)
        stack.keep(_a_video(stage=Stage.STORING, provider_job_id=job_id), _a_post())
        stack.make_function("ProbeVideoFunction", InspectionReply(inspection=an_inspection()).model_dump_json())

        answer = invoke("StoreVideoFunction", read_event("storevideo"))

        post = {"video_id": _VIDEO_ID, "post_id": "twitter#101"}
        assert answer == {"outcome": "stored", "wait_seconds": 0, "listen": None, "posts": [post]}
        kept = stack.client("s3").head_object(Bucket=BUCKET, Key=f"videos/{_VIDEO_ID}/video.mp4")
        stored = stack.video(_VIDEO_ID).stored
        assert stored is not None
        assert kept["ContentLength"] == stored.size_bytes

    @_LEAVES_THE_MACHINE
    def test_what_the_decoder_refuses_is_fetched_again(self, stack: Stack, invoke: Invoke, provider: Provider) -> None:
        job_id = provider.create_job()
        provider.finish(job_id)
        stack.keep(_a_video(stage=Stage.STORING, provider_job_id=job_id))
        stack.make_function("ProbeVideoFunction", InspectionReply(refusal="Nothing decodes.").model_dump_json())

        assert invoke("StoreVideoFunction", read_event("storevideo"))["outcome"] == "wait"
        assert "Contents" not in stack.client("s3").list_objects_v2(Bucket=BUCKET)

    def test_a_stored_video_is_decoded_by_a_function_of_its_own(
        self, stack: Stack, invoke: Invoke, moov_first_mp4: bytes
    ) -> None:
        event = read_event("probevideo")
        stack.client("s3").put_object(Bucket=BUCKET, Key=event["key"], Body=moov_first_mp4)

        reply = InspectionReply.model_validate_json(json.dumps(invoke("ProbeVideoFunction", event)))

        assert reply.inspection is not None
        assert (reply.inspection.probe.width, reply.inspection.thumbnail[:4]) == (320, b"RIFF")

    def test_a_stored_file_that_is_no_video_is_refused_by_the_decoder(self, stack: Stack, invoke: Invoke) -> None:
        event = read_event("probevideo")
        stack.client("s3").put_object(Bucket=BUCKET, Key=event["key"], Body=b"<html>" * 10)

        assert "not an MP4" in invoke("ProbeVideoFunction", event)["refusal"]

    def test_a_post_without_a_key_fails_and_says_where_it_goes(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(_a_stored_video(), _a_post())

        assert invoke("CreatePostFunction", read_event("createpost"))["outcome"] == "settled"

        (post,) = stack.posts(_VIDEO_ID)
        assert (post.state, post.error_code) == (PostState.FAILED, ErrorCode.AUTHENTICATION)
        assert f"{_SECRETS}/blotato-api-key" in str(post.error_message)

    def test_a_failed_post_is_counted_for_its_stack(
        self, stack: Stack, invoke: Invoke, capsys: pytest.CaptureFixture[str]
    ) -> None:
        stack.keep(_a_stored_video(), _a_post())

        invoke("CreatePostFunction", read_event("createpost"))

        # There is no key, which is counted as well.
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

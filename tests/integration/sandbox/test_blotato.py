"""The Blotato stand-in behaves as the vendor's documents say, traps included."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from pydantic import JsonValue, TypeAdapter
from starlette.testclient import TestClient

from sandbox.blotato import ACCOUNTS, LIMITS_PER_MINUTE, Route, create_app
from sandbox.blotato_schema import (
    FACEBOOK_PAGE,
    LINKEDIN_PAGE,
    PINTEREST_BOARD,
    YOUTUBE_PLAYLIST,
    CallRow,
    PostRow,
    UploadRow,
)
from sandbox.serving import serve_in_thread

API_KEY = "blotato-sandbox-key="
KEY_HEADER = {"blotato-api-key": API_KEY}
MP4 = b"\x00\x00\x00\x18ftypisom" + b"\x00" * 100
PUBLIC_VIDEO = "https://media.example.com/clip.mp4"
REPOSITORY = Path(__file__).parents[3]

# Parsed JSON of an answer.
Json = dict[str, Any]

TARGETS: dict[str, Json] = {
    "twitter": {},
    "instagram": {"mediaType": "reel"},
    "facebook": {"pageId": FACEBOOK_PAGE.id},
    "linkedin": {},
    "tiktok": {
        "privacyLevel": "PUBLIC_TO_EVERYONE",
        "disabledComments": False,
        "disabledDuet": False,
        "disabledStitch": False,
        "isBrandedContent": False,
        "isYourBrand": False,
        "isAiGenerated": True,
    },
    "youtube": {"title": "A clip", "privacyStatus": "public", "shouldNotifySubscribers": False},
    "pinterest": {"boardId": PINTEREST_BOARD.id},
    "threads": {},
    "bluesky": {},
}


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Naps:
    """A sleep that only takes note."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def naps() -> Naps:
    return Naps()


@pytest.fixture
def client(clock: Clock, naps: Naps) -> Iterator[TestClient]:
    with TestClient(create_app(now=clock, sleep=naps), headers=KEY_HEADER) as client:
        yield client


def build_post(
    platform: str = "instagram",
    *,
    text: str = "A clip",
    media_urls: tuple[str, ...] = (PUBLIC_VIDEO,),
    target: Json | None = None,
    **root: JsonValue,
) -> Json:
    return {
        "post": {
            "accountId": ACCOUNTS[platform].id,
            "content": {"text": text, "mediaUrls": list(media_urls), "platform": platform},
            "target": {"targetType": platform, **(TARGETS[platform] if target is None else target)},
        },
        **root,
    }


def submit(client: TestClient, body: Json) -> str:
    response = client.post("/v2/posts", json=body)
    assert response.status_code == 201, response.text
    return str(response.json()["postSubmissionId"])


def get_json(client: TestClient, path: str, **query: str) -> Json:
    response = client.get(path, params=query)
    assert response.status_code == 200, response.text
    return dict(response.json())


def get_status(client: TestClient, submission_id: str) -> Json:
    return get_json(client, f"/v2/posts/{submission_id}")


def request_upload(client: TestClient, filename: str = "clip.mp4") -> tuple[str, str]:
    response = client.post("/v2/media/uploads", json={"filename": filename})
    assert response.status_code == 201
    return response.json()["presignedUrl"], response.json()["publicUrl"]


def put_bytes(
    client: TestClient, presigned_url: str, body: bytes = MP4, *, more_headers: dict[str, str] | None = None
) -> int:
    """Put as a client that knows the rules: no key, a length, a type."""
    headers = {"content-type": "video/mp4"} | (more_headers or {})
    return TestClient(client.app).put(presigned_url, content=body, headers=headers).status_code


def add_fault(client: TestClient | httpx.Client, on: str, action: Json, **rule: JsonValue) -> None:
    response = client.post("/_sandbox/faults", json={"rules": [{"on": on, "action": action, **rule}]})
    assert response.status_code == 204, response.text


def get_calls(client: TestClient | httpx.Client) -> list[CallRow]:
    return TypeAdapter(list[CallRow]).validate_python(client.get("/_sandbox/calls").json()["calls"])


def get_posts(client: TestClient | httpx.Client) -> list[PostRow]:
    return TypeAdapter(list[PostRow]).validate_python(client.get("/_sandbox/posts").json()["posts"])


def get_uploads(client: TestClient | httpx.Client) -> list[UploadRow]:
    return TypeAdapter(list[UploadRow]).validate_python(client.get("/_sandbox/uploads").json()["uploads"])


class TestKey:
    @pytest.mark.parametrize("key", ["", "wrong", "blotato-sandbox-key", f"Bearer {API_KEY}"])
    def test_any_key_but_the_verbatim_one_is_refused(self, client: TestClient, key: str) -> None:
        response = client.get("/v2/users/me", headers={"blotato-api-key": key})
        assert response.status_code == 401
        assert "message" in response.json()

    def test_a_call_without_a_key_is_refused(self, client: TestClient) -> None:
        assert TestClient(client.app).post("/v2/posts", json=build_post()).status_code == 401
        assert get_posts(client) == []

    def test_the_user_echoes_the_key(self, client: TestClient) -> None:
        assert get_json(client, "/v2/users/me")["apiKey"] == API_KEY


class TestAccounts:
    def test_there_is_one_account_per_network_with_a_numeric_id(self, client: TestClient) -> None:
        items = get_json(client, "/v2/users/me/accounts")["items"]
        assert {item["platform"]: item["id"] for item in items} == {name: a.id for name, a in ACCOUNTS.items()}
        assert all(item["id"].isdigit() and set(item) == {"id", "platform", "fullname", "username"} for item in items)

    def test_accounts_are_filtered_by_platform(self, client: TestClient) -> None:
        items = get_json(client, "/v2/users/me/accounts", platform="instagram")["items"]
        assert [item["id"] for item in items] == ["807"]

    @pytest.mark.parametrize("subaccount", [FACEBOOK_PAGE, LINKEDIN_PAGE, YOUTUBE_PLAYLIST])
    def test_pages_and_playlists_are_subaccounts(self, client: TestClient, subaccount: Any) -> None:
        items = get_json(client, f"/v2/users/me/accounts/{subaccount.account_id}/subaccounts")["items"]
        assert items == [{"id": subaccount.id, "accountId": subaccount.account_id, "name": subaccount.name}]

    def test_subaccounts_of_an_unknown_account_are_not_found(self, client: TestClient) -> None:
        assert client.get("/v2/users/me/accounts/1/subaccounts").status_code == 404

    def test_a_pinterest_account_has_a_board(self, client: TestClient) -> None:
        items = get_json(client, "/v2/social/pinterest/boards", accountId=ACCOUNTS["pinterest"].id)["items"]
        assert [item["id"] for item in items] == [PINTEREST_BOARD.id]

    def test_an_account_of_another_network_has_no_boards(self, client: TestClient) -> None:
        boards = get_json(client, "/v2/social/pinterest/boards", accountId=ACCOUNTS["instagram"].id)
        assert boards == {"items": []}

    def test_boards_need_an_account(self, client: TestClient) -> None:
        response = client.get("/v2/social/pinterest/boards")
        assert response.status_code == 400
        assert response.json()["message"] == "querystring must have required property 'accountId'"

    def test_a_linkedin_account_has_a_company_page(self, client: TestClient) -> None:
        account_id = ACCOUNTS["linkedin"].id
        items = get_json(client, "/v2/integrations/oauth2/linkedin/pages", accountId=account_id)["items"]
        assert [item["id"] for item in items] == [LINKEDIN_PAGE.id]


class TestUploads:
    def test_bytes_are_counted_hashed_and_not_kept(self, client: TestClient) -> None:
        presigned_url, public_url = request_upload(client)
        assert put_bytes(client, presigned_url) == 200
        (upload,) = get_uploads(client)
        assert upload == UploadRow(
            public_url_path=urlsplit(public_url).path,
            filename="clip.mp4",
            size_bytes=len(MP4),
            sha256=hashlib.sha256(MP4).hexdigest(),
            content_type="video/mp4",
            is_mp4=True,
        )

    def test_two_uploads_of_one_name_have_addresses_of_their_own_that_end_in_it(self, client: TestClient) -> None:
        public_urls = {request_upload(client)[1] for _ in range(2)}
        assert len(public_urls) == 2
        assert all(url.endswith("/clip.mp4") for url in public_urls)

    def test_a_filename_is_required(self, client: TestClient) -> None:
        response = client.post("/v2/media/uploads", json={})
        assert (response.status_code, response.json()["message"]) == (
            400,
            "body must have required property 'filename'",
        )

    def test_the_key_must_not_go_to_storage(self, client: TestClient) -> None:
        presigned_url, _ = request_upload(client)
        assert put_bytes(client, presigned_url, more_headers=KEY_HEADER) == 400
        assert get_uploads(client) == []

    def test_a_chunked_body_is_refused(self, client: TestClient) -> None:
        presigned_url, _ = request_upload(client)
        response = TestClient(client.app).put(presigned_url, content=iter([MP4]), headers={"content-type": "video/mp4"})
        assert response.status_code == 411

    def test_a_body_without_a_type_is_refused(self, client: TestClient) -> None:
        presigned_url, _ = request_upload(client)
        assert TestClient(client.app).put(presigned_url, content=MP4).status_code == 400

    def test_an_expired_presigned_url_is_refused(self, client: TestClient, clock: Clock) -> None:
        presigned_url, _ = request_upload(client)
        clock.advance(600)
        assert put_bytes(client, presigned_url) == 403

    def test_a_presigned_url_serves_once(self, client: TestClient) -> None:
        presigned_url, _ = request_upload(client)
        assert [put_bytes(client, presigned_url) for _ in range(2)] == [200, 409]

    def test_a_made_up_presigned_url_is_not_found(self, client: TestClient) -> None:
        assert put_bytes(client, "/storage/uploads/none") == 404

    def test_a_file_over_the_limit_of_the_plan_is_refused(self) -> None:
        client = TestClient(create_app(plan_upload_bytes=len(MP4) - 1), headers=KEY_HEADER)
        presigned_url, _ = request_upload(client)
        assert put_bytes(client, presigned_url) == 413

    def test_a_public_url_is_mirrored_under_an_address_of_its_own(self, client: TestClient, clock: Clock) -> None:
        response = client.post("/v2/media", json={"url": PUBLIC_VIDEO})
        assert response.status_code == 201
        assert response.json()["url"].endswith("/clip.mp4")
        submission_id = submit(client, build_post(media_urls=(response.json()["url"],)))
        clock.advance(2)
        assert get_status(client, submission_id)["status"] == "published"

    def test_a_url_blotato_cannot_fetch_is_not_mirrored(self, client: TestClient) -> None:
        assert client.post("/v2/media", json={"url": "s3://bucket/clip.mp4"}).status_code == 422

    def test_presigned_urls_are_not_in_the_log(self, client: TestClient) -> None:
        presigned_url, _ = request_upload(client)
        put_bytes(client, presigned_url)
        assert presigned_url.rsplit("/", 1)[1] not in client.get("/_sandbox/calls").text


class TestValidation:
    @pytest.mark.parametrize(
        ("platform", "field"),
        [
            ("facebook", "pageId"),
            ("pinterest", "boardId"),
            ("youtube", "title"),
            ("youtube", "privacyStatus"),
            ("youtube", "shouldNotifySubscribers"),
            *(("tiktok", field) for field in TARGETS["tiktok"]),
        ],
    )
    def test_a_required_field_of_a_target_is_named_when_missing(
        self, client: TestClient, platform: str, field: str
    ) -> None:
        target = {name: value for name, value in TARGETS[platform].items() if name != field}
        response = client.post("/v2/posts", json=build_post(platform, target=target))
        assert response.status_code == 400
        assert response.json() == {"message": f"body.post.target must have required property '{field}'"}
        assert get_posts(client) == []

    def test_media_urls_are_required_even_for_text(self, client: TestClient) -> None:
        body = build_post("twitter")
        del body["post"]["content"]["mediaUrls"]
        response = client.post("/v2/posts", json=body)
        assert response.json() == {"message": "body.post.content must have required property 'mediaUrls'"}

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"isAiGenerated": "true"}, "body.post.target.isAiGenerated must be boolean"),
            ({"privacyLevel": "PUBLIC"}, "body.post.target.privacyLevel must be equal to one of the allowed values"),
            ({"title": "x" * 91}, "body.post.target.title must NOT have more than 90 characters"),
            ({"targetType": "webhook"}, "body.post.target.targetType must be equal to one of the allowed values"),
        ],
    )
    def test_a_wrong_value_is_named(self, client: TestClient, change: Json, message: str) -> None:
        response = client.post("/v2/posts", json=build_post("tiktok", target=TARGETS["tiktok"] | change))
        assert (response.status_code, response.json()) == (400, {"message": message})

    @pytest.mark.parametrize("time", ["tomorrow", "1800000000", "2026-12-01", "2026-12-01T15:00:00", 1800000000])
    def test_a_scheduled_time_is_a_date_time_with_a_zone(self, client: TestClient, time: JsonValue) -> None:
        response = client.post("/v2/posts", json=build_post(scheduledTime=time))
        assert response.status_code == 400
        assert response.json() == {"message": 'body.scheduledTime must match format "date-time"'}

    def test_what_is_not_json_is_refused(self, client: TestClient) -> None:
        assert client.post("/v2/posts", content=b"{").status_code == 400

    def test_more_than_twenty_media_are_refused(self, client: TestClient) -> None:
        response = client.post("/v2/posts", json=build_post(media_urls=(PUBLIC_VIDEO,) * 21))
        assert response.json() == {"message": "body.post.content.mediaUrls must NOT have more than 20 items"}

    def test_platform_and_target_must_agree(self, client: TestClient) -> None:
        body = build_post("twitter")
        body["post"]["target"] = {"targetType": "bluesky"}
        assert client.post("/v2/posts", json=body).status_code == 400

    def test_an_account_of_another_network_is_refused(self, client: TestClient) -> None:
        body = build_post("twitter")
        body["post"]["accountId"] = ACCOUNTS["bluesky"].id
        assert client.post("/v2/posts", json=body).status_code == 400

    def test_an_unknown_account_is_not_found(self, client: TestClient) -> None:
        body = build_post()
        body["post"]["accountId"] = "1"
        assert client.post("/v2/posts", json=body).status_code == 404

    def test_unknown_fields_are_dropped_without_a_word_and_noted(self, client: TestClient, clock: Clock) -> None:
        body = build_post("twitter", target={"isDraft": True}, scheduleTime="2026-12-01T15:00:00Z")
        body["post"]["content"]["additionalPosts"] = [{"text": "", "mediaUrls": [], "altText": "x"}]
        submission_id = submit(client, body)
        clock.advance(2)
        assert get_status(client, submission_id)["status"] == "published"
        assert get_calls(client)[0].dropped_fields == (
            "post.content.additionalPosts.0.altText",
            "post.target.isDraft",
            "scheduleTime",
        )

    def test_a_scheduled_time_inside_the_post_is_ignored_and_the_post_goes_out_now(
        self, client: TestClient, clock: Clock
    ) -> None:
        body = build_post()
        body["post"]["scheduledTime"] = "2026-12-01T15:00:00Z"
        submission_id = submit(client, body)
        clock.advance(2)
        assert get_status(client, submission_id)["status"] == "published"
        assert get_calls(client)[0].dropped_fields == ("post.scheduledTime",)


class TestPublishing:
    @pytest.mark.parametrize(
        ("platform", "url"),
        [
            ("twitter", "https://x.com/mediaposter_sandbox/status/17900000000000001"),
            ("instagram", "https://www.instagram.com/reel/Sbx00000001/"),
            ("facebook", "https://www.facebook.com/reel/17900000000000001"),
            ("linkedin", "https://www.linkedin.com/feed/update/urn:li:share:17900000000000001/"),
            ("tiktok", "https://www.tiktok.com/@mediaposter_sandbox/video/17900000000000001"),
            ("youtube", "https://www.youtube.com/watch?v=Sbx00000001"),
            ("pinterest", "https://www.pinterest.com/pin/17900000000000001/"),
            ("threads", "https://www.threads.com/@mediaposter_sandbox/post/Sbx00000001"),
            ("bluesky", "https://bsky.app/profile/mediaposter-sandbox.bsky.social/post/Sbx00000001"),
        ],
    )
    def test_an_accepted_post_is_published_a_while_later(
        self, client: TestClient, clock: Clock, platform: str, url: str
    ) -> None:
        submission_id = submit(client, build_post(platform))
        assert get_status(client, submission_id) == {"postSubmissionId": submission_id, "status": "in-progress"}
        clock.advance(1.9)
        assert get_status(client, submission_id)["status"] == "in-progress"
        clock.advance(0.1)
        assert get_status(client, submission_id) == {
            "postSubmissionId": submission_id,
            "status": "published",
            "publicUrl": url,
        }

    def test_acceptance_tells_nothing_but_the_submission(self, client: TestClient) -> None:
        assert set(client.post("/v2/posts", json=build_post()).json()) == {"postSubmissionId"}

    def test_an_unknown_submission_is_in_progress_for_ever(self, client: TestClient, clock: Clock) -> None:
        clock.advance(100_000)
        assert get_status(client, "never-queued") == {"postSubmissionId": "never-queued", "status": "in-progress"}

    def test_a_tiktok_draft_is_published_without_an_address(self, client: TestClient, clock: Clock) -> None:
        submission_id = submit(client, build_post("tiktok", target=TARGETS["tiktok"] | {"isDraft": True}))
        clock.advance(2)
        assert get_status(client, submission_id) == {"postSubmissionId": submission_id, "status": "published"}

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (build_post("twitter", text="x" * 281), "281 characters"),
            (build_post("youtube", text="é" * 2501), "5002 bytes"),
            (build_post("instagram", text="#a #b #c #d #e #f"), "at most 5 hashtags"),
            (build_post("instagram", media_urls=()), "need an image or a video"),
            (build_post("facebook", target={"pageId": ACCOUNTS["facebook"].id}), "does not belong"),
            (build_post("linkedin", target={"pageId": "1"}), "does not belong"),
            (build_post("pinterest", target={"boardId": "1"}), "does not belong"),
            (build_post("youtube", target=TARGETS["youtube"] | {"title": "a < b"}), "may not contain"),
            (
                build_post(
                    "tiktok", target=TARGETS["tiktok"] | {"isBrandedContent": True, "privacyLevel": "SELF_ONLY"}
                ),
                "Branded content",
            ),
            (build_post(media_urls=("http://testserver/storage/media/x/clip.mp4",)), "Failed to read media metadata"),
            (build_post(media_urls=("s3://bucket/clip.mp4",)), "Failed to read media metadata"),
        ],
    )
    def test_what_the_network_refuses_is_accepted_and_fails_at_publish(
        self, client: TestClient, clock: Clock, body: Json, reason: str
    ) -> None:
        submission_id = submit(client, body)
        clock.advance(2)
        status = get_status(client, submission_id)
        assert status["status"] == "failed"
        assert reason in status["errorMessage"]
        assert "publicUrl" not in status

    @pytest.mark.parametrize(
        "body",
        [
            build_post("twitter", text="x" * 280, media_urls=()),
            build_post("youtube", text="é" * 2500),
            build_post("instagram", text="#a #b #c #d #e"),
            build_post("linkedin", target={"pageId": LINKEDIN_PAGE.id}),
        ],
    )
    def test_what_just_fits_is_published(self, client: TestClient, clock: Clock, body: Json) -> None:
        submission_id = submit(client, body)
        clock.advance(2)
        assert get_status(client, submission_id)["status"] == "published"

    def test_an_uploaded_video_is_published(self, client: TestClient, clock: Clock) -> None:
        presigned_url, public_url = request_upload(client)
        put_bytes(client, presigned_url)
        submission_id = submit(client, build_post(media_urls=(public_url,)))
        clock.advance(2)
        assert get_status(client, submission_id)["status"] == "published"

    def test_a_requested_upload_without_bytes_cannot_be_published(self, client: TestClient, clock: Clock) -> None:
        _, public_url = request_upload(client)
        submission_id = submit(client, build_post(media_urls=(public_url,)))
        clock.advance(2)
        assert get_status(client, submission_id)["errorMessage"] == "Failed to read media metadata"

    def test_bytes_that_come_after_the_failure_do_not_undo_it(self, client: TestClient, clock: Clock) -> None:
        presigned_url, public_url = request_upload(client)
        submission_id = submit(client, build_post(media_urls=(public_url,)))
        clock.advance(3)
        put_bytes(client, presigned_url)
        assert get_status(client, submission_id)["status"] == "failed"

    @pytest.mark.parametrize(("filename", "status"), [("clip.mp4", "failed"), ("cover.jpg", "published")])
    def test_only_a_video_must_be_an_mp4(self, client: TestClient, clock: Clock, filename: str, status: str) -> None:
        presigned_url, public_url = request_upload(client, filename)
        put_bytes(client, presigned_url, b"<html>not a video</html>")
        submission_id = submit(client, build_post(media_urls=(public_url,)))
        clock.advance(2)
        assert get_status(client, submission_id)["status"] == status


class TestScheduling:
    def test_a_scheduled_post_waits_for_its_time(self, client: TestClient, clock: Clock) -> None:
        response = client.post("/v2/posts", json=build_post(scheduledTime="2026-11-23T12:01:00Z"))
        assert response.json()["scheduledTime"] == "2026-11-23T12:01:00Z"
        submission_id = response.json()["postSubmissionId"]
        assert get_status(client, submission_id)["status"] == "scheduled"
        clock.advance(60)
        assert get_status(client, submission_id)["status"] == "in-progress"
        clock.advance(2)
        assert get_status(client, submission_id)["status"] == "published"

    def test_a_time_in_the_past_is_now(self, client: TestClient, clock: Clock) -> None:
        submission_id = submit(client, build_post(scheduledTime="2026-11-20T09:00:00Z"))
        assert get_status(client, submission_id)["status"] == "in-progress"
        clock.advance(2)
        assert get_status(client, submission_id)["status"] == "published"

    def test_the_next_free_slot_is_taken_once_per_account(self, client: TestClient) -> None:
        answers = [
            client.post("/v2/posts", json=build_post(platform, useNextFreeSlot=True)).json()["scheduledTime"]
            for platform in ("instagram", "instagram", "threads")
        ]
        assert answers == ["2026-11-23T15:00:00Z", "2026-11-24T15:00:00Z", "2026-11-23T15:00:00Z"]

    def test_a_scheduled_time_wins_over_a_free_slot(self, client: TestClient) -> None:
        body = build_post(scheduledTime="2026-12-01T09:00:00Z", useNextFreeSlot=True)
        assert client.post("/v2/posts", json=body).json()["scheduledTime"] == "2026-12-01T09:00:00Z"


class TestSchedules:
    @pytest.fixture
    def schedule_id(self, client: TestClient) -> str:
        submit(client, build_post("twitter", scheduledTime="2026-12-01T09:00:00Z"))
        return str(get_json(client, "/v2/schedules")["items"][0]["id"])

    def test_a_schedule_is_shown_wrapped(self, client: TestClient, schedule_id: str) -> None:
        schedule = get_json(client, f"/v2/schedules/{schedule_id}")["schedule"]
        assert schedule["id"] == schedule_id
        assert schedule_id.startswith("sch_")
        assert schedule["scheduledAt"] == "2026-12-01T09:00:00Z"
        assert schedule["account"]["id"] == ACCOUNTS["twitter"].id
        assert schedule["draft"] == {
            "accountId": ACCOUNTS["twitter"].id,
            "content": {"text": "A clip", "mediaUrls": [PUBLIC_VIDEO], "platform": "twitter"},
            "target": {"targetType": "twitter"},
        }

    def test_the_count_of_schedules_is_a_string(self, client: TestClient, schedule_id: str) -> None:
        assert get_json(client, "/v2/schedules")["count"] == "1"

    def test_schedules_come_in_pages_soonest_first(self, client: TestClient) -> None:
        for day in (3, 1, 2):
            submit(client, build_post("twitter", text=str(day), scheduledTime=f"2026-12-0{day}T09:00:00Z"))
        first = get_json(client, "/v2/schedules", limit="2")
        second = get_json(client, "/v2/schedules", limit="2", cursor=first["cursor"])
        assert [item["draft"]["content"]["text"] for item in first["items"] + second["items"]] == ["1", "2", "3"]
        assert "cursor" not in second

    def test_a_page_of_schedules_holds_fifty_at_most(self, client: TestClient) -> None:
        assert client.get("/v2/schedules", params={"limit": "51"}).status_code == 400

    def test_a_patched_time_moves_the_post(self, client: TestClient, schedule_id: str) -> None:
        patch = {"patch": {"scheduledTime": "2026-12-02T09:00:00Z"}}
        response = client.patch(f"/v2/schedules/{schedule_id}", json=patch)
        assert (response.status_code, response.content) == (204, b"")
        schedule = get_json(client, f"/v2/schedules/{schedule_id}")["schedule"]
        assert schedule["scheduledAt"] == "2026-12-02T09:00:00Z"
        assert schedule["draft"]["content"]["mediaUrls"] == [PUBLIC_VIDEO]

    def test_a_patched_draft_loses_what_it_leaves_out(self, client: TestClient, clock: Clock, schedule_id: str) -> None:
        client.patch(f"/v2/schedules/{schedule_id}", json={"patch": {"draft": {"content": {"text": "New"}}}})
        draft = get_json(client, f"/v2/schedules/{schedule_id}")["schedule"]["draft"]
        assert draft["content"] == {"text": "New", "mediaUrls": [], "platform": "twitter"}
        assert "target" not in draft
        clock.time = datetime(2026, 12, 1, 9, 1, tzinfo=UTC)
        assert get_posts(client)[0].state == "failed"

    def test_a_draft_patched_with_the_target_of_another_network_fails(
        self, client: TestClient, clock: Clock, schedule_id: str
    ) -> None:
        draft = {"content": {"text": "New", "mediaUrls": []}, "target": {"targetType": "bluesky"}}
        client.patch(f"/v2/schedules/{schedule_id}", json={"patch": {"draft": draft}})
        clock.time = datetime(2026, 12, 1, 9, 1, tzinfo=UTC)
        assert get_posts(client)[0].error_message == "The post has no twitter target."

    def test_a_cancelled_schedule_is_gone_and_its_submission_looks_in_progress(
        self, client: TestClient, clock: Clock, schedule_id: str
    ) -> None:
        submission_id = get_posts(client)[0].post_submission_id
        assert client.delete(f"/v2/schedules/{schedule_id}").status_code == 204
        assert client.delete(f"/v2/schedules/{schedule_id}").status_code == 404
        clock.time = datetime(2026, 12, 2, tzinfo=UTC)
        assert get_status(client, submission_id)["status"] == "in-progress"
        assert get_posts(client) == []

    def test_a_schedule_whose_time_has_come_is_not_found(
        self, client: TestClient, clock: Clock, schedule_id: str
    ) -> None:
        clock.time = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
        path = f"/v2/schedules/{schedule_id}"
        patch = {"patch": {"scheduledTime": "2026-12-02T09:00:00Z"}}
        responses = (client.get(path), client.patch(path, json=patch), client.delete(path))
        assert [response.status_code for response in responses] == [404, 404, 404]
        assert get_json(client, "/v2/schedules") == {"items": [], "count": "0"}


class TestListing:
    def test_a_published_post_is_listed_under_an_id_of_its_state(self, client: TestClient, clock: Clock) -> None:
        submission_id = submit(client, build_post())
        clock.advance(2)
        (item,) = get_json(client, "/v2/posts")["items"]
        assert item.pop("id") != submission_id
        assert item == {
            "postTime": "2026-11-23T12:00:02Z",
            "platform": "instagram",
            "text": "A clip",
            "mediaUrls": [PUBLIC_VIDEO],
            "state": {"type": "published", "postUrl": "https://www.instagram.com/reel/Sbx00000001/"},
        }

    def test_the_id_changes_with_the_state(self, client: TestClient, clock: Clock) -> None:
        submit(client, build_post(scheduledTime="2026-11-23T12:01:00Z"))
        scheduled = get_json(client, "/v2/posts")["items"][0]
        clock.advance(62)
        published = get_json(client, "/v2/posts")["items"][0]
        assert scheduled["state"] == {"type": "scheduled"}
        assert scheduled["id"] != published["id"]

    def test_a_failed_post_is_listed_with_its_reason(self, client: TestClient, clock: Clock) -> None:
        submit(client, build_post(media_urls=()))
        clock.advance(2)
        state = get_json(client, "/v2/posts")["items"][0]["state"]
        assert state == {"type": "failed", "errorMessage": "Posts on instagram need an image or a video."}

    def test_a_post_in_progress_is_not_listed(self, client: TestClient) -> None:
        submit(client, build_post())
        assert get_json(client, "/v2/posts") == {"items": []}

    def test_the_window_is_a_week_back_and_a_week_ahead_unless_asked(self, client: TestClient, clock: Clock) -> None:
        submit(client, build_post(text="old"))
        clock.advance(8 * 86_400)
        submit(client, build_post(text="far", scheduledTime="2026-12-20T00:00:00Z"))
        submit(client, build_post(text="near", scheduledTime="2026-12-02T00:00:00Z"))
        assert [item["text"] for item in get_json(client, "/v2/posts")["items"]] == ["near"]
        window = {"since": "2026-11-01T00:00:00Z", "until": "2026-12-31T00:00:00Z"}
        assert [item["text"] for item in get_json(client, "/v2/posts", **window)["items"]] == ["far", "near", "old"]

    def test_the_list_is_filtered_by_status_and_platform(self, client: TestClient, clock: Clock) -> None:
        submit(client, build_post("instagram", text="out"))
        submit(client, build_post("instagram", text="waits", scheduledTime="2026-11-24T00:00:00Z"))
        submit(client, build_post("threads", text="other"))
        clock.advance(2)
        items = get_json(client, "/v2/posts", status="published", platform="instagram")["items"]
        assert [item["text"] for item in items] == ["out"]

    def test_pages_follow_one_another_without_loss(self, clock: Clock) -> None:
        client = TestClient(create_app(now=clock, limits_per_minute={Route.CREATE_POST: 100}), headers=KEY_HEADER)
        for number in range(60):
            submit(client, build_post(text=str(number)))
        clock.advance(2)
        first = get_json(client, "/v2/posts")
        second = get_json(client, "/v2/posts", cursor=first["cursor"])
        assert len(first["items"]) == 50
        assert [item["text"] for item in first["items"] + second["items"]] == [str(n) for n in reversed(range(60))]
        assert "cursor" not in second

    @pytest.mark.parametrize(
        "query", [{"limit": "0"}, {"limit": "251"}, {"cursor": "x"}, {"since": "1800000000"}, {"status": "draft"}]
    )
    def test_a_wrong_query_is_refused(self, client: TestClient, query: dict[str, str]) -> None:
        assert client.get("/v2/posts", params=query).status_code == 400


class TestLimits:
    def test_the_thirty_first_post_of_a_minute_is_told_how_long_to_wait(self, client: TestClient, clock: Clock) -> None:
        for _ in range(30):
            submit(client, build_post())
        clock.advance(15)
        response = client.post("/v2/posts", json=build_post())
        assert response.status_code == 429
        assert response.json() == {"message": "Rate limit exceeded, retry in 45 seconds"}
        assert len(get_posts(client)) == 30
        clock.advance(45)
        submit(client, build_post())

    def test_each_route_has_a_limit_of_its_own(self, client: TestClient) -> None:
        for _ in range(30):
            submit(client, build_post())
        request_upload(client)

    def test_the_documented_limits_are_the_default(self) -> None:
        assert dict(LIMITS_PER_MINUTE) == {
            "POST /posts": 30,
            "GET /posts/{postSubmissionId}": 60,
            "GET /posts": 60,
            "POST /media/uploads": 120,
            "POST /media": 10,
            "GET /social/pinterest/boards": 45,
        }

    def test_a_limit_can_be_set(self) -> None:
        client = TestClient(create_app(limits_per_minute={"GET /posts": 1}), headers=KEY_HEADER)
        assert [client.get("/v2/posts").status_code for _ in range(2)] == [200, 429]


class TestFaults:
    def test_a_scripted_answer_takes_the_place_of_the_real_one(self, client: TestClient) -> None:
        action = {"type": "respond", "status": 429, "headers": {"retry-after": "7"}, "body": {"message": "Wait 7 s"}}
        add_fault(client, "POST /posts", action, times=1)
        response = client.post("/v2/posts", json=build_post())
        assert (response.status_code, response.headers["retry-after"]) == (429, "7")
        assert response.json() == {"message": "Wait 7 s"}
        assert get_posts(client) == []
        submit(client, build_post())

    @pytest.mark.parametrize("match", ["threads", "unlucky"])
    def test_a_fault_meets_the_platform_or_the_text_it_names(self, client: TestClient, match: str) -> None:
        add_fault(client, "POST /posts", {"type": "respond", "status": 500}, match=match)
        submit(client, build_post("instagram", text="lucky"))
        assert client.post("/v2/posts", json=build_post("threads", text="unlucky")).status_code == 500

    def test_a_fault_of_one_route_leaves_the_others_alone(self, client: TestClient) -> None:
        submission_id = submit(client, build_post("threads"))
        add_fault(client, "GET /posts/{postSubmissionId}", {"type": "respond", "status": 503}, match="threads")
        assert client.get(f"/v2/posts/{submission_id}").status_code == 503
        assert client.get("/v2/posts").status_code == 200

    def test_storage_can_fail_and_the_presigned_url_be_used_again(self, client: TestClient) -> None:
        add_fault(client, Route.STORE_UPLOAD, {"type": "respond", "status": 503}, match="clip", times=1)
        presigned_url, _ = request_upload(client)
        assert [put_bytes(client, presigned_url) for _ in range(2)] == [503, 200]

    def test_an_accepted_post_can_be_answered_with_an_error(self, client: TestClient, clock: Clock) -> None:
        add_fault(client, "POST /posts", {"type": "accept_then_respond", "status": 500, "body": {"message": "Oops"}})
        assert client.post("/v2/posts", json=build_post()).status_code == 500
        clock.advance(2)
        assert [post.state for post in get_posts(client)] == ["published"]
        (call,) = get_calls(client)
        assert (call.status, call.post_submission_id) == (500, get_posts(client)[0].post_submission_id)

    def test_a_refused_post_is_refused_whatever_the_script_says_of_accepted_ones(self, client: TestClient) -> None:
        add_fault(client, "POST /posts", {"type": "accept_then_respond", "status": 500})
        assert client.post("/v2/posts", json=build_post("facebook", target={})).status_code == 400

    @pytest.mark.parametrize("type_", ["delay", "delay_before"])
    def test_a_delayed_post_is_accepted(self, client: TestClient, naps: Naps, type_: str) -> None:
        add_fault(client, "POST /posts", {"type": type_, "seconds": 30})
        submit(client, build_post())
        assert naps.seconds == [30]

    def test_a_post_can_stay_in_progress_and_unlisted(self, client: TestClient, clock: Clock) -> None:
        add_fault(client, "publish", {"type": "stay_in_progress"})
        submission_id = submit(client, build_post())
        clock.advance(86_400)
        assert get_status(client, submission_id)["status"] == "in-progress"
        assert get_json(client, "/v2/posts")["items"] == []

    def test_a_network_can_refuse_a_post(self, client: TestClient, clock: Clock) -> None:
        add_fault(client, "publish", {"type": "fail_publish", "error_message": "reached_active_user_cap"}, times=1)
        refused, other = submit(client, build_post()), submit(client, build_post())
        clock.advance(2)
        assert get_status(client, refused)["errorMessage"] == "reached_active_user_cap"
        assert get_status(client, other)["status"] == "published"

    def test_the_list_can_lag_behind(self, client: TestClient, clock: Clock) -> None:
        add_fault(client, "listing", {"type": "list_lag", "list_lag_seconds": 10})
        submission_id = submit(client, build_post())
        clock.advance(9)
        assert get_status(client, submission_id)["status"] == "published"
        assert get_json(client, "/v2/posts")["items"] == []
        clock.advance(1)
        assert len(get_json(client, "/v2/posts")["items"]) == 1

    def test_one_post_can_be_listed_twice(self, client: TestClient, clock: Clock) -> None:
        add_fault(client, "listing", {"type": "duplicate_listing"})
        submit(client, build_post())
        clock.advance(2)
        items = get_json(client, "/v2/posts")["items"]
        assert len(items) == 2
        assert items[0] == items[1]
        assert len(get_posts(client)) == 1

    def test_one_post_can_meet_a_fault_of_each_kind(self, client: TestClient, clock: Clock) -> None:
        add_fault(client, "POST /posts", {"type": "accept_then_respond", "status": 502})
        add_fault(client, "publish", {"type": "fail_publish"})
        add_fault(client, "listing", {"type": "list_lag", "list_lag_seconds": 60})
        assert client.post("/v2/posts", json=build_post()).status_code == 502
        clock.advance(2)
        assert get_posts(client)[0].state == "failed"
        assert get_json(client, "/v2/posts")["items"] == []

    def test_cleared_faults_are_gone(self, client: TestClient, clock: Clock) -> None:
        add_fault(client, "POST /posts", {"type": "respond", "status": 500})
        add_fault(client, "publish", {"type": "fail_publish"})
        assert client.delete("/_sandbox/faults").status_code == 204
        submit(client, build_post())
        clock.advance(2)
        assert get_posts(client)[0].state == "published"

    @pytest.mark.parametrize(
        "rule",
        [
            {"on": "POST /nowhere", "action": {"type": "drop"}},
            {"on": "POST /posts", "action": {"type": "fail_publish"}},
            {"on": "publish", "action": {"type": "drop"}},
            {"on": "POST /posts", "action": {"type": "drop"}, "time": 1},
        ],
    )
    def test_a_fault_that_does_not_exist_is_refused(self, client: TestClient, rule: Json) -> None:
        assert client.post("/_sandbox/faults", json={"rules": [rule]}).status_code == 422


class TestLog:
    def test_a_refused_post_is_logged_with_what_it_said(self, client: TestClient) -> None:
        client.post("/v2/posts", json=build_post("facebook", target={}))
        (call,) = get_calls(client)
        assert call == CallRow(
            route=Route.CREATE_POST,
            status=400,
            account_id=ACCOUNTS["facebook"].id,
            platform="facebook",
            text="A clip",
            media_urls=(PUBLIC_VIDEO,),
        )

    def test_a_post_that_exists_is_shown_with_its_target(self, client: TestClient) -> None:
        submit(client, build_post("tiktok"))
        (post,) = get_posts(client)
        assert post.target == {"targetType": "tiktok", **TARGETS["tiktok"]}

    def test_reset_forgets_everything_but_the_seeds(self, client: TestClient) -> None:
        put_bytes(client, request_upload(client)[0])
        for _ in range(30):
            submit(client, build_post())
        assert client.post("/_sandbox/reset").status_code == 204
        assert (get_posts(client), get_uploads(client), get_calls(client)) == ([], [], [])
        submit(client, build_post())


class TestConnections:
    """Over the loopback interface, since a connection can only be cut where there is one."""

    @pytest.fixture
    def server(self) -> Iterator[httpx.Client]:
        with (
            serve_in_thread(create_app(), base_path="") as base_url,
            httpx.Client(base_url=base_url, headers=KEY_HEADER, trust_env=False, timeout=10) as client,
        ):
            yield client

    @pytest.mark.parametrize(("type_", "posts"), [("drop", 0), ("accept_then_drop", 1)])
    def test_a_dropped_connection_may_or_may_not_have_left_a_post(
        self, server: httpx.Client, type_: str, posts: int
    ) -> None:
        add_fault(server, "POST /posts", {"type": type_}, match="A clip", times=1)
        with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
            server.post("/v2/posts", json=build_post())
        assert len(get_posts(server)) == posts
        (call,) = get_calls(server)
        assert (call.route, call.status, call.text) == (Route.CREATE_POST, None, "A clip")
        assert (call.post_submission_id is not None) == (posts == 1)

    def test_an_upload_whose_connection_ends_early_is_not_there(
        self, server: httpx.Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        presigned = urlsplit(server.post("/v2/media/uploads", json={"filename": "clip.mp4"}).json()["presignedUrl"])
        with socket.create_connection((str(presigned.hostname), presigned.port or 0), timeout=10) as connection:
            head = (
                f"PUT {presigned.path} HTTP/1.1\r\nhost: x\r\ncontent-type: video/mp4\r\ncontent-length: 1000\r\n\r\n"
            )
            connection.sendall(head.encode() + MP4)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1000) == b""
        assert get_uploads(server) == []
        assert get_calls(server)[-1].status is None
        assert [record for record in caplog.records if record.levelname == "ERROR"] == []

    def test_a_chunked_upload_is_refused_over_http_too(self, server: httpx.Client) -> None:
        url = server.post("/v2/media/uploads", json={"filename": "clip.mp4"}).json()["presignedUrl"]
        response = httpx.put(url, content=iter([MP4]), headers={"content-type": "video/mp4"}, trust_env=False)
        assert response.status_code == 411

    def test_an_upload_goes_to_the_host_that_was_asked(self, server: httpx.Client) -> None:
        url = server.post("/v2/media/uploads", json={"filename": "clip.mp4"}).json()["presignedUrl"]
        response = httpx.put(url, content=MP4, headers={"content-type": "video/mp4"}, trust_env=False)
        assert response.status_code == 200
        assert get_uploads(server)[0].sha256 == hashlib.sha256(MP4).hexdigest()


class TestCommand:
    def test_the_command_says_where_it_listens_and_ends_on_sigterm(self) -> None:
        command = [sys.executable, "-m", "sandbox.blotato", "--port", "0", "--rate-scale", "0.1"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY, text=True, env=os.environ) as process:
            try:
                assert process.stdout is not None
                base_url = json.loads(process.stdout.readline())["base_url"]
                with httpx.Client(headers=KEY_HEADER, trust_env=False, timeout=10) as client:
                    statuses = [client.post(f"{base_url}/posts", json=build_post()).status_code for _ in range(4)]
            finally:
                process.send_signal(signal.SIGTERM)
                exit_code = process.wait(timeout=10)
        assert base_url.startswith("http://127.0.0.1:")
        assert base_url.endswith("/v2")
        assert statuses == [201, 201, 201, 429]
        assert exit_code in (0, -signal.SIGTERM)

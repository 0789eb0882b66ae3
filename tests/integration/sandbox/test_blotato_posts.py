"""The Blotato stand-in accepts, schedules, publishes and lists posts as the vendor's documents say, traps included."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from pydantic import JsonValue
from starlette.testclient import TestClient

from sandbox.blotato import ACCOUNTS, LINKEDIN_PAGE, Route, create_app
from tests.integration.sandbox.blotato_client import (
    KEY_HEADER,
    PUBLIC_VIDEO,
    TARGETS,
    Clock,
    Json,
    add_fault,
    build_post,
    get_calls,
    get_json,
    get_posts,
    get_status,
    put_bytes,
    request_upload,
    submit,
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(clock: Clock) -> Iterator[TestClient]:
    with TestClient(create_app(now=clock), headers=KEY_HEADER) as client:
        yield client


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
            (build_post("twitter", text="日" * 141), "282 characters"),
            (build_post("twitter", text="a.org " * 12), "288 characters"),
            (build_post("twitter", text="\ufeffA clip"), "not valid"),
            (build_post("threads", text="é" * 251), "502 bytes"),
            (build_post("threads", text="https://a.org b.org c.org d.org"), "LINK_LIMIT_EXCEEDED"),
            (build_post("bluesky", text="x" * 301), "301 graphemes"),
            (build_post("bluesky", text="👨‍👩‍👧‍👦" * 121), "3025 bytes"),
            (build_post("tiktok", text="🪁" * 1101), "2202 UTF-16 units"),
            (build_post("tiktok", target=TARGETS["tiktok"] | {"title": "🪁" * 46}), "92 UTF-16 units"),
            (build_post("instagram", text="#a #b #c #d #e #f"), "at most 5 hashtags"),
            (build_post("instagram", text="#a #b #c", target={"firstComment": "#d #e #f"}), "at most 5 hashtags"),
            (build_post("instagram", text="@a " * 21), "at most 20 mentions"),
            (build_post("youtube", target=TARGETS["youtube"] | {"title": " "}), "title is empty"),
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
            build_post("twitter", text="👨‍👩‍👧‍👦" * 140),
            build_post("twitter", text="https://example.org/" + "x" * 400 + " " + "x" * 256),
            build_post("threads", text="x" * 500),
            build_post("bluesky", text="🇩🇪" * 300),
            build_post("tiktok", text="🪁" * 1100),
            build_post("instagram", text="#a #b #c #d #e, C#, #1 and https://example.org/#f"),
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


class TestAcceptedTwice:
    def test_one_call_makes_two_posts_and_is_answered_for_the_second(self, client: TestClient) -> None:
        add_fault(client, Route.CREATE_POST, {"type": "accept_twice"}, times=1)
        submission_id = submit(client, build_post())
        posts = get_posts(client)
        assert len(posts) == 2
        assert posts[1].post_submission_id == submission_id

    def test_one_call_makes_two_schedules(self, client: TestClient) -> None:
        add_fault(client, Route.CREATE_POST, {"type": "accept_twice"}, times=1)
        submit(client, build_post(scheduledTime="2026-11-24T00:00:00Z"))
        assert len({item["id"] for item in get_json(client, "/v2/schedules")["items"]}) == 2


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

    def test_a_late_post_is_missing_from_the_schedules_too(self, client: TestClient, clock: Clock) -> None:
        add_fault(client, "listing", {"type": "list_lag", "list_lag_seconds": 30})
        submit(client, build_post(scheduledTime="2026-11-24T00:00:00Z"))
        assert get_json(client, "/v2/schedules") == {"items": [], "count": "0"}
        clock.advance(30)
        assert len(get_json(client, "/v2/schedules")["items"]) == 1

    def test_a_post_can_be_twice_in_the_schedules(self, client: TestClient) -> None:
        add_fault(client, "listing", {"type": "duplicate_listing"})
        submit(client, build_post(scheduledTime="2026-11-24T00:00:00Z"))
        first = get_json(client, "/v2/schedules", limit="1")
        second = get_json(client, "/v2/schedules", limit="1", cursor=first["cursor"])
        assert first["items"] == second["items"]

    @pytest.mark.parametrize("route", [Route.LIST_POSTS, Route.LIST_SCHEDULES])
    def test_a_list_can_fail(self, client: TestClient, route: Route) -> None:
        add_fault(client, route, {"type": "respond", "status": 500, "body": {"message": "hm"}}, times=1)
        path = f"/v2{route.split(' ')[1]}"
        assert [client.get(path).status_code for _ in range(2)] == [500, 200]

    @pytest.mark.parametrize(
        "query", [{"limit": "0"}, {"limit": "251"}, {"cursor": "x"}, {"since": "1800000000"}, {"status": "draft"}]
    )
    def test_a_wrong_query_is_refused(self, client: TestClient, query: dict[str, str]) -> None:
        assert client.get("/v2/posts", params=query).status_code == 400

"""The stand-in for Blotato against what its documents say and what its clients saw; there is no SDK to judge it.

The facts are those of help.blotato.com (api/llm, rest-api-reference, get-post.md, rate-limits, platform-publishing),
read on 2026-11-22, and of the vendor's own n8n node 1.0.10.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from sandbox.blotato import ACCOUNTS, FACEBOOK_PAGE, PINTEREST_BOARD, create_app
from sandbox.serving import serve_in_thread

KEY = {"blotato-api-key": "blotato-sandbox-key="}
MP4 = b"\x00\x00\x00\x18ftypisom" + b"\x00" * 100
VIDEO = "https://media.example.com/clip.mp4"
LATER = "2026-12-01T15:00:00Z"

Json = dict[str, Any]

TIKTOK: Json = {
    "privacyLevel": "PUBLIC_TO_EVERYONE",
    "disabledComments": False,
    "disabledDuet": False,
    "disabledStitch": False,
    "isBrandedContent": False,
    "isYourBrand": False,
    "isAiGenerated": True,
}
TARGETS: dict[str, Json] = {
    "twitter": {},
    "instagram": {"mediaType": "reel"},
    "facebook": {"pageId": FACEBOOK_PAGE.id},
    "linkedin": {},
    "tiktok": TIKTOK,
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


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(clock: Clock) -> Iterator[TestClient]:
    with TestClient(create_app(now=clock), headers=KEY) as app:
        yield app


def build_post(platform: str = "instagram", *, target: Json | None = None, **content: Any) -> Json:
    sent = {"text": "A clip", "mediaUrls": [VIDEO], "platform": platform, **content}
    target = {"targetType": platform, **(TARGETS[platform] if target is None else target)}
    return {"accountId": ACCOUNTS[platform].id, "content": sent, "target": target}


def create(client: TestClient, post: Json | None = None, **root: Any) -> str:
    answer = client.post("/v2/posts", json={"post": post or build_post(), **root})
    assert answer.status_code == 201, answer.text
    submission_id = answer.json()["postSubmissionId"]
    assert isinstance(submission_id, str)
    return submission_id


def read(client: TestClient, path: str) -> Json:
    answer = client.get(f"/v2{path}")
    assert answer.status_code == 200, answer.text
    body: Json = answer.json()
    return body


def refusal_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["message"]


def add_fault(client: TestClient, on: str, match: str = "", **action: Any) -> None:
    rules = {"rules": [{"on": on, "match": match, "times": 1, "action": action}]}
    assert client.post("/_sandbox/faults", json=rules).status_code == 204


def upload(client: TestClient, content: bytes = MP4, filename: str = "clip.mp4") -> str:
    place = client.post("/v2/media/uploads", json={"filename": filename}).json()
    assert put(client, place["presignedUrl"], content).status_code == 200
    url = place["publicUrl"]
    assert isinstance(url, str)
    return url


def put(client: TestClient, url: str, content: Any = MP4, **headers: str) -> Any:
    del client.headers["blotato-api-key"]
    try:
        return client.put(url, content=content, headers={"content-type": "video/mp4", **headers})
    finally:
        client.headers.update(KEY)


@pytest.mark.parametrize("key", ["blotato-sandbox-key", "Bearer blotato-sandbox-key=", ""])
def test_any_key_but_the_verbatim_one_is_refused(client: TestClient, key: str) -> None:
    answer = client.get("/v2/users/me", headers={"blotato-api-key": key})

    assert refusal_of(answer) == (401, "Invalid API key")


def test_accounts_are_listed_with_numeric_ids_as_text(client: TestClient) -> None:
    items = read(client, "/users/me/accounts?platform=tiktok")["items"]

    assert items == [
        {"id": "804", "platform": "tiktok", "fullname": "MediaPoster Sandbox", "username": "mediaposter_sandbox"}
    ]


@pytest.mark.parametrize(
    ("platform", "key"), [("facebook", "pageId"), ("pinterest", "boardId"), ("tiktok", "isYourBrand")]
)
def test_a_required_field_of_a_target_is_named_when_missing(client: TestClient, platform: str, key: str) -> None:
    target = {name: value for name, value in TARGETS[platform].items() if name != key}

    answer = client.post("/v2/posts", json={"post": build_post(platform, target=target)})

    assert refusal_of(answer) == (400, f"body.post.target must have required property '{key}'")


@pytest.mark.parametrize(
    ("post", "message"),
    [
        (build_post(mediaUrls=None), "body.post.content.mediaUrls must be array"),
        (build_post(mediaUrls=[VIDEO] * 21), "body.post.content.mediaUrls must NOT have more than 20 items"),
        (
            build_post("tiktok", target={**TIKTOK, "isYourBrand": "false"}),
            "body.post.target.isYourBrand must be boolean",
        ),
        (build_post("youtube", target={**TARGETS["youtube"], "privacyStatus": "secret"}), "must be equal to one of"),
        ({**build_post(), "target": {"targetType": "threads"}}, "targetType must equal body.post.content.platform"),
        ({**build_post(), "accountId": "801"}, "is connected to twitter, not to instagram"),
    ],
)
def test_a_wrong_post_is_refused_in_the_words_of_ajv(client: TestClient, post: Json, message: str) -> None:
    answer = client.post("/v2/posts", json={"post": post})

    assert answer.status_code == 400
    assert message in answer.json()["message"]


def test_an_unknown_account_is_not_found(client: TestClient) -> None:
    answer = client.post("/v2/posts", json={"post": {**build_post(), "accountId": "999"}})

    assert answer.status_code == 404


def test_201_is_not_published(client: TestClient, clock: Clock) -> None:
    submission_id = create(client)
    assert read(client, f"/posts/{submission_id}") == {"postSubmissionId": submission_id, "status": "in-progress"}

    clock.advance(2)

    answer = read(client, f"/posts/{submission_id}")
    assert answer["status"] == "published"
    assert answer["publicUrl"].startswith("https://www.instagram.com/")


def test_an_unknown_submission_is_in_progress(client: TestClient) -> None:
    assert read(client, "/posts/never-heard-of")["status"] == "in-progress"


def test_an_unknown_field_is_dropped_without_a_word(client: TestClient, clock: Clock) -> None:
    submission_id = create(client, build_post("twitter", target={"isDraft": True}))

    clock.advance(2)

    assert read(client, f"/posts/{submission_id}")["status"] == "published"
    (call,) = [call for call in client.get("/_sandbox/calls").json()["calls"] if call["route"] == "POST /posts"]
    assert call["dropped_fields"] == ["post.target.isDraft"]


def test_a_schedule_inside_the_post_is_ignored_and_one_beside_it_holds(client: TestClient) -> None:
    nested = create(client, {**build_post(), "scheduledTime": LATER})
    beside = create(client, scheduledTime=LATER)

    assert read(client, f"/posts/{nested}")["status"] == "in-progress"
    assert read(client, f"/posts/{beside}") == {
        "postSubmissionId": beside,
        "status": "scheduled",
        "scheduledTime": LATER,
    }


def test_a_network_refuses_after_the_201(client: TestClient, clock: Clock) -> None:
    submission_id = create(client, build_post(text="#a #b #c #d #e #f"))

    clock.advance(2)

    answer = read(client, f"/posts/{submission_id}")
    assert (answer["status"], answer["errorMessage"]) == ("failed", "Instagram posts may carry at most 5 hashtags.")


def test_an_upload_is_read_at_its_public_address(client: TestClient, clock: Clock) -> None:
    good = create(client, build_post(mediaUrls=[upload(client)]))
    bad = create(client, build_post(mediaUrls=[upload(client, b"<html>")]))

    clock.advance(2)

    assert read(client, f"/posts/{good}")["status"] == "published"
    assert read(client, f"/posts/{bad}")["errorMessage"] == "Failed to read media metadata"
    first, second = client.get("/_sandbox/uploads").json()["uploads"]
    assert (first["size_bytes"], first["is_mp4"], second["is_mp4"]) == (len(MP4), True, False)


def test_storage_takes_a_body_of_known_length_once_without_the_key(client: TestClient, clock: Clock) -> None:
    urls = [client.post("/v2/media/uploads", json={"filename": "a.mp4"}).json()["presignedUrl"] for _ in range(2)]

    assert put(client, urls[0], **KEY).status_code == 400
    assert put(client, urls[0], iter([MP4])).status_code == 411
    assert put(client, urls[0]).status_code == 200
    assert put(client, urls[0]).status_code == 409
    assert put(client, urls[0] + "x").status_code == 404
    clock.advance(600)
    assert put(client, urls[1]).status_code == 403


def test_media_is_mirrored_from_a_public_address(client: TestClient) -> None:
    answer = client.post("/v2/media", json={"url": VIDEO})
    assert answer.status_code == 201
    assert answer.json()["url"].endswith("/clip.mp4")

    refused = client.post("/v2/media", json={"url": "file:///clip.mp4"})
    assert refusal_of(refused) == (422, "Failed to read media metadata")


def test_the_thirty_first_post_of_a_minute_is_told_how_long_to_wait(client: TestClient, clock: Clock) -> None:
    for _ in range(30):
        create(client)
        clock.advance(1)

    answer = client.post("/v2/posts", json={"post": build_post()})

    assert refusal_of(answer) == (429, "Rate limit exceeded, retry in 30 seconds")
    assert client.get("/v2/posts").status_code == 200
    clock.advance(30)
    create(client)


def test_posts_are_listed_by_state_and_time_over_pages(client: TestClient, clock: Clock) -> None:
    create(client)
    clock.advance(10)
    create(client, build_post("threads"))
    create(client, scheduledTime=LATER)
    clock.advance(1)
    create(client)

    items = read(client, "/posts?until=2026-12-02T00:00:00Z")["items"]
    assert [item["state"]["type"] for item in items] == ["scheduled", "published"]
    assert items[1].keys() == {"id", "postTime", "platform", "text", "mediaUrls", "state"}
    clock.advance(10)
    first = read(client, "/posts?limit=2&status=published")
    second = read(client, f"/posts?limit=2&status=published&cursor={first['cursor']}")
    assert [len(page["items"]) for page in (first, second)] == [2, 1]
    assert "cursor" not in second
    assert [item["platform"] for item in read(client, "/posts?platform=threads")["items"]] == ["threads"]
    assert read(client, "/posts?since=2026-11-24T00:00:00Z")["items"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=251", "since=1700000000", "status=gone", "cursor=x"])
def test_a_wrong_list_query_is_refused(client: TestClient, query: str) -> None:
    assert client.get(f"/v2/posts?{query}").status_code == 400


def test_a_schedule_is_shown_moved_and_cancelled(client: TestClient) -> None:
    submission_id = create(client, scheduledTime=LATER)
    page = read(client, "/schedules")
    path = f"/v2/schedules/{page['items'][0]['id']}"
    assert page["count"] == "1"
    assert read(client, path.removeprefix("/v2"))["schedule"] == page["items"][0]

    patch = {"patch": {"scheduledTime": "2026-12-02T15:00:00Z", "draft": {"content": {"text": "New"}}}}
    assert client.patch(path, json=patch).status_code == 204
    moved = client.get(path).json()["schedule"]
    # A draft is not merged: what it leaves out is gone.
    assert (moved["scheduledAt"], moved["draft"]["content"]["mediaUrls"]) == ("2026-12-02T15:00:00Z", [])
    assert "target" not in moved["draft"]

    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    assert read(client, f"/posts/{submission_id}")["status"] == "in-progress"


def test_the_next_free_slot_is_taken_once(client: TestClient) -> None:
    times = [read(client, f"/posts/{create(client, useNextFreeSlot=True)}")["scheduledTime"] for _ in range(2)]

    assert times == ["2026-11-23T15:00:00Z", "2026-11-24T15:00:00Z"]


def test_what_is_scheduled_at_a_disconnected_account_fails(client: TestClient, clock: Clock) -> None:
    account = f"/_sandbox/accounts/{ACCOUNTS['instagram'].id}"
    before = create(client)
    clock.advance(2)
    lost, kept = (
        create(client, scheduledTime="2026-11-23T12:01:00Z"),
        create(client, scheduledTime="2026-11-23T12:05:00Z"),
    )
    assert client.delete(account).status_code == 204
    assert [item["account"] for item in read(client, "/schedules")["items"]] == [None, None]
    assert client.post("/v2/posts", json={"post": build_post()}).status_code == 404

    clock.advance(120)
    assert client.put(account).status_code == 204
    clock.advance(300)

    states = [read(client, f"/posts/{each}")["status"] for each in (before, lost, kept)]
    assert states == ["published", "failed", "published"]


def test_a_post_can_be_accepted_twice_or_answered_with_an_error_though_it_was_accepted(client: TestClient) -> None:
    add_fault(client, "POST /posts", match="instagram\nTwice", type="accept_twice")
    add_fault(client, "POST /posts", match="Lost", type="accept_then_respond", status=502)

    create(client, build_post(text="Twice"))
    assert client.post("/v2/posts", json={"post": build_post(text="Lost")}).status_code == 502

    posts = client.get("/_sandbox/posts").json()["posts"]
    assert [post["text"] for post in posts] == ["Twice", "Twice", "Lost"]


def test_a_refused_post_is_refused_whatever_the_script_says_of_accepted_ones(client: TestClient) -> None:
    add_fault(client, "POST /posts", type="accept_then_respond", status=502)

    assert client.post("/v2/posts", json={"post": {**build_post(), "accountId": "999"}}).status_code == 404


def test_a_post_can_stay_in_progress_be_refused_or_be_listed_late(client: TestClient, clock: Clock) -> None:
    add_fault(client, "publish", match="Stays", type="stay_in_progress")
    add_fault(client, "publish", match="Fails", type="fail_publish", error_message="reached_active_user_cap")
    add_fault(client, "listing", match="Fails", type="list_lag", list_lag_seconds=60)
    stays, fails = create(client, build_post(text="Stays")), create(client, build_post(text="Fails"))

    clock.advance(59)
    assert read(client, f"/posts/{stays}")["status"] == "in-progress"
    assert read(client, f"/posts/{fails}")["errorMessage"] == "reached_active_user_cap"
    assert read(client, "/posts")["items"] == []

    clock.advance(1)
    assert [item["text"] for item in read(client, "/posts")["items"]] == ["Fails"]


def test_an_upload_that_is_dropped_is_not_there_and_its_address_can_be_used_again() -> None:
    with serve_in_thread(create_app(), base_path="") as origin, httpx.Client(base_url=origin, headers=KEY) as http:
        place = http.post("/v2/media/uploads", json={"filename": "clip.mp4"}).json()
        rules = {
            "rules": [{"on": "PUT /storage/uploads/{token}", "match": "clip", "times": 1, "action": {"type": "drop"}}]
        }
        http.post("/_sandbox/faults", json=rules)
        headers = {"content-type": "video/mp4"}

        # Bytes that were not read yet make the connection's end a reset.
        with pytest.raises((httpx.RemoteProtocolError, httpx.NetworkError)):
            httpx.put(place["presignedUrl"], content=MP4, headers=headers)

        assert httpx.put(place["presignedUrl"], content=MP4, headers=headers).status_code == 200

"""Posts, from a target to what its network says of it, on the deployed stack: once, whatever happens on the way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from pydantic import JsonValue

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.wire.video_object import PostObject, VideoObject
from sandbox.blotato import ACCOUNTS
from sandbox.world import BLOTATO_KEY
from tests.integration.stack import DeployedStack, new_prompt, target, wait_for

NETWORKS = sorted(ACCOUNTS)
TOMORROW = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)


def post(stack: DeployedStack, path: str, body: JsonValue = None, *, status: int = 200) -> None:
    """Ask for something about the posts of a video, and expect this answer; what was throttled is asked again."""

    def ask() -> httpx.Response | None:
        answer = stack.api.post(path, json=body)
        return None if answer.status_code == 429 else answer

    answer = wait_for(ask, what=f"an answer to POST {path}")
    assert answer.status_code == status, answer.text


def posts_of(video: VideoObject) -> dict[str, str]:
    return {post.platform: str(post.status) for post in video.posts}


def path_of(video: VideoObject, platform: str) -> str:
    return f"/videos/{video.id}/posts/{platform}/{ACCOUNTS[platform].id}"


def wait_for_post(stack: DeployedStack, video_id: str, status: str) -> PostObject:
    """Sweep until the one post of a video stands so."""

    def look() -> PostObject | None:
        stack.sweep()
        [found] = stack.retrieve(video_id).posts
        return found if found.status == status else None

    return wait_for(look, what=f"the post of {video_id} to be {status}")


def test_a_video_goes_to_each_of_the_nine_networks(stack: DeployedStack) -> None:
    prompt = new_prompt("Everywhere")

    video = stack.follow(stack.submit(prompt, *NETWORKS).id)

    assert posts_of(video) == dict.fromkeys(NETWORKS, "published")
    assert sorted(row["platform"] for row in stack.list_posts(prompt)) == NETWORKS
    assert len({url for row in stack.list_posts(prompt) for url in row["media_urls"]}) == len(NETWORKS)


def test_only_what_failed_is_posted_again_and_nothing_is_rendered_again(stack: DeployedStack) -> None:
    prompt = new_prompt("Half of it")
    fault: dict[str, JsonValue] = {"type": "fail_publish", "error_message": "reached_active_user_cap"}
    stack.play_on_blotato("tiktok\n" + prompt, "publish", fault, times=1)
    video = stack.follow(stack.submit(prompt, "instagram", "tiktok").id)
    assert posts_of(video) == {"instagram": "published", "tiktok": "failed"}
    assert [post.error.message for post in video.posts if post.error] == ["reached_active_user_cap"]

    post(stack, f"/videos/{video.id}/posts", {})
    again = stack.follow(video.id)

    assert posts_of(again) == {"instagram": "published", "tiktok": "published"}
    assert sorted(row["platform"] for row in stack.list_posts(prompt)) == ["instagram", "tiktok", "tiktok"]
    assert stack.count_accepted(prompt) == 1


def test_a_bad_key_keeps_the_video_and_a_mended_one_sends_its_posts(stack: DeployedStack) -> None:
    prompt = new_prompt("A bad key")
    stack.play_on_blotato(prompt, "POST /posts", {"type": "respond", "status": 401, "body": {"message": "Invalid"}})
    video = stack.follow(stack.submit(prompt, "threads").id)
    assert video.status is VideoStatus.COMPLETED
    [failed] = video.posts
    assert (failed.status, failed.error.code if failed.error else None) == ("failed", "authentication")

    stack.outside.delete(f"{stack.world.blotato.control_url}/faults").raise_for_status()
    post(stack, f"/videos/{video.id}/posts", {})

    assert posts_of(stack.follow(video.id)) == {"threads": "published"}
    assert len(stack.list_posts(prompt)) == 1


def test_a_post_that_cannot_be_found_is_parked_until_a_person_has_it_sent_again(stack: DeployedStack) -> None:
    prompt = new_prompt("Never arrived")
    stack.play_on_blotato(prompt, "POST /posts", {"type": "respond", "status": 500, "body": {}}, times=1)
    video = stack.submit(prompt, "linkedin")
    wait_for(lambda: _stands(stack, video.id, "in_doubt"), what="the doubt")

    for _ in range(3):
        stack.age_posts(video.id, 60 * 20)
        stack.sweep()
    parked = wait_for_post(stack, video.id, "parked")
    assert parked.error is not None
    assert "not sent again" in parked.error.message
    assert stack.list_posts(prompt) == []
    wait_for(lambda: stack.retrieve(video.id).stage == "done", what="the end of its execution")

    post(stack, f"{path_of(video, 'linkedin')}/resolve", {"outcome": "send_again"})
    assert posts_of(stack.follow(video.id)) == {"linkedin": "published"}
    post(stack, f"{path_of(video, 'linkedin')}/resolve", {"outcome": "send_again"}, status=409)
    assert len(stack.list_posts(prompt)) == 1


def test_a_scheduled_post_is_moved_and_cancelled(stack: DeployedStack) -> None:
    prompt = new_prompt("Tomorrow")
    fields = {**_as_object(target("twitter")), "scheduled_time": TOMORROW.isoformat()}
    video = stack.follow(stack.submit(prompt, publish=[fields]).id)
    assert posts_of(video) == {"twitter": "scheduled"}
    [row] = stack.list_posts(prompt)
    assert datetime.fromisoformat(row["scheduled_time"]) == TOMORROW
    listed = stack.api.get("/schedules").json()["data"]
    assert video.id in [item["video_id"] for item in listed]

    later = TOMORROW + timedelta(hours=3)
    moved = stack.api.patch(path_of(video, "twitter"), json={"scheduled_time": later.isoformat()})
    assert moved.status_code == 200, moved.text
    [row] = stack.list_posts(prompt)
    # PATCH replaces the draft: nothing of it may be lost.
    assert datetime.fromisoformat(row["scheduled_time"]) == later
    assert (row["text"], len(row["media_urls"]), row["target"]["targetType"]) == (prompt, 1, "twitter")

    cancelled = stack.api.delete(path_of(video, "twitter"))
    assert cancelled.status_code == 200, cancelled.text
    assert stack.list_posts(prompt) == []
    assert posts_of(stack.retrieve(video.id)) == {"twitter": "cancelled"}
    assert stack.api.delete(path_of(video, "twitter")).status_code == 409


class TestApproval:
    """A person decides once whether a video is posted."""

    @pytest.fixture
    def waiting(self, stack: DeployedStack) -> VideoObject:
        video = stack.submit(new_prompt("May I"), "instagram", "threads", approval="required")
        wait_for(lambda: stack.retrieve(video.id).stage == "awaiting_approval", what="the question")
        return stack.retrieve(video.id)

    def test_it_is_posted_with_the_edits_of_the_approval(self, stack: DeployedStack, waiting: VideoObject) -> None:
        assert waiting.status is VideoStatus.COMPLETED
        assert stack.list_posts(waiting.prompt) == []
        words = f"In other words: {waiting.prompt}"
        edits: JsonValue = {"publish": [{**_as_object(target("threads")), "text": words}, target("bluesky")]}

        post(stack, f"/videos/{waiting.id}/approval", {"decision": "approve", "edits": edits})
        video = stack.follow(waiting.id)

        assert posts_of(video) == {"bluesky": "published", "threads": "published"}
        texts = {row["platform"]: row["text"] for row in stack.list_posts(waiting.prompt)}
        assert texts == {"bluesky": waiting.prompt, "threads": words}
        post(stack, f"/videos/{waiting.id}/approval", {"decision": "approve"}, status=409)

    def test_what_is_rejected_is_not_posted_and_its_token_is_in_no_log_and_no_answer(
        self, stack: DeployedStack, waiting: VideoObject
    ) -> None:
        key = {"pk": {"S": f"VIDEO#{waiting.id}"}, "sk": {"S": "APPROVAL"}}

        def read_token() -> str | None:
            # The stage is written before the step that asks has its token kept.
            item = stack.aws("dynamodb").get_item(TableName=stack.world.stack.table, Key=key)["Item"]
            return str(item["task_token"]["S"]) if "task_token" in item else None

        token = wait_for(read_token, what="the token")

        answer = stack.api.get(f"/videos/{waiting.id}").text
        post(stack, f"/videos/{waiting.id}/approval", {"decision": "reject"})
        video = stack.follow(waiting.id)

        assert posts_of(video) == {"instagram": "cancelled", "threads": "cancelled"}
        assert stack.list_posts(waiting.prompt) == []
        assert token not in answer
        assert token not in stack.read_logs()


def test_no_caption_and_no_key_is_logged(stack: DeployedStack) -> None:
    canary = new_prompt("canary in a caption")
    lost = new_prompt("canary in a lost caption")
    stack.play_on_blotato(lost, "POST /posts", {"type": "accept_then_drop"}, times=1)
    began_at = datetime.now(UTC)

    video = stack.follow(stack.submit(new_prompt("Silent"), "twitter", text=canary).id)
    doubted = stack.submit(new_prompt("Silent too"), "twitter", text=lost)
    wait_for(lambda: _stands(stack, doubted.id, "in_doubt"), what="the doubt")
    wait_for(lambda: _is_public(stack, lost), what="the network")
    stack.age_posts(doubted.id, 600)
    wait_for_post(stack, doubted.id, "published")

    written = stack.read_logs(since=began_at) + stack.read_history(video.id) + stack.read_history(doubted.id)
    assert video.id in written
    for secret in (canary, lost, BLOTATO_KEY):
        assert secret not in written


def _is_public(stack: DeployedStack, text: str) -> bool:
    return [row["state"] for row in stack.list_posts(text)] == ["published"]


def _stands(stack: DeployedStack, video_id: str, status: str) -> bool:
    return [post.status for post in stack.retrieve(video_id).posts] == [status]


def _as_object(value: JsonValue) -> dict[str, JsonValue]:
    assert isinstance(value, dict)
    return value

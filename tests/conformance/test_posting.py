"""Posts, from a target to what its network says of it: once, whatever happens on the way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from pydantic import JsonValue

from sandbox.blotato import ACCOUNTS
from tests.conformance.stack import Stack, Video, list_states, read_error
from tests.integration.stack import new_prompt, target, wait_for

pytestmark = pytest.mark.both

NETWORKS = sorted(ACCOUNTS)


def path_of(video: Video, platform: str) -> str:
    return f"/videos/{video['id']}/posts/{platform}/{ACCOUNTS[platform].id}"


def target_of(platform: str, **fields: JsonValue) -> dict[str, JsonValue]:
    found = target(platform)
    assert isinstance(found, dict)
    return {**found, **fields}


def test_a_video_goes_to_each_of_the_nine_networks_once(stack: Stack) -> None:
    prompt = new_prompt("Everywhere")

    video = stack.follow(stack.submit(prompt, *NETWORKS)["id"])

    assert list_states(video) == dict.fromkeys(NETWORKS, "published")
    assert all(post["url"] for post in video["posts"])
    posts = stack.list_posts(prompt)
    assert sorted(post["platform"] for post in posts) == NETWORKS
    assert len({url for post in posts for url in post["media_urls"]}) == len(NETWORKS)
    assert next(post for post in posts if post["platform"] == "tiktok")["target"]["isAiGenerated"] is True
    assert stack.count_jobs(prompt) == 1


@pytest.mark.both(always=True)
def test_only_what_failed_is_posted_again_and_nothing_is_rendered_again(stack: Stack) -> None:
    prompt = new_prompt("Half of it")
    fault: dict[str, JsonValue] = {"type": "fail_publish", "error_message": "reached_active_user_cap"}
    stack.play_on("blotato", f"tiktok\n{prompt}", "publish", fault, times=1)
    video = stack.follow(stack.submit(prompt, "instagram", "tiktok")["id"])
    assert list_states(video) == {"instagram": "published", "tiktok": "failed"}
    assert [post["error"]["message"] for post in video["posts"] if post["error"]] == ["reached_active_user_cap"]

    stack.ask("POST", f"/videos/{video['id']}/posts", {})
    again = stack.follow(video["id"])

    assert list_states(again) == {"instagram": "published", "tiktok": "published"}
    assert sorted(post["platform"] for post in stack.list_posts(prompt)) == ["instagram", "tiktok", "tiktok"]
    assert stack.count_jobs(prompt) == 1


def test_a_key_that_blotato_refuses_keeps_the_video(stack: Stack) -> None:
    prompt = new_prompt("A bad key")
    refusal: dict[str, JsonValue] = {"type": "respond", "status": 401, "body": {"message": "Invalid"}}
    stack.play_on("blotato", prompt, "POST /posts", refusal, times=1)

    video = stack.follow(stack.submit(prompt, "threads")["id"])

    [post] = video["posts"]
    assert (video["status"], post["status"], post["error"]["code"]) == ("completed", "failed", "authentication")
    assert stack.list_posts(prompt) == []


def test_a_lost_answer_is_looked_for_and_the_post_adopted(stack: Stack) -> None:
    prompt = new_prompt("A lost answer")
    stack.play_on("blotato", prompt, "POST /posts", {"type": "accept_then_drop"}, times=1)
    video = stack.submit(prompt, "bluesky")
    stack.wait_for_posts(video["id"], "in_doubt")
    wait_for(lambda: [post["state"] for post in stack.list_posts(prompt)] == ["published"], what="the network")

    stack.age_posts(video["id"], minutes=10)
    found = stack.wait_for_posts(video["id"], "published")

    assert found["posts"][0]["url"]
    assert len(stack.list_posts(prompt)) == 1


def test_a_post_that_cannot_be_found_is_parked_until_a_person_has_it_sent_again(stack: Stack) -> None:
    prompt = new_prompt("Never arrived")
    stack.play_on("blotato", prompt, "POST /posts", {"type": "respond", "status": 500, "body": {}}, times=1)
    video = stack.submit(prompt, "linkedin")
    stack.wait_for_posts(video["id"], "in_doubt")

    def let_time_pass() -> Video | None:
        stack.age_posts(video["id"], minutes=20)
        stack.sweep()
        found = stack.retrieve(video["id"])
        return found if found["posts"][0]["status"] == "parked" else None

    parked = wait_for(let_time_pass, what="the end of the search")
    assert "not sent again" in parked["posts"][0]["error"]["message"]
    assert stack.list_posts(prompt) == []
    wait_for(lambda: stack.retrieve(video["id"])["stage"] == "done", what="the end of its execution")

    stack.ask("POST", f"{path_of(video, 'linkedin')}/resolve", {"outcome": "send_again"})
    assert list_states(stack.follow(video["id"])) == {"linkedin": "published"}
    assert len(stack.list_posts(prompt)) == 1
    twice = stack.api.post(f"{path_of(video, 'linkedin')}/resolve", json={"outcome": "send_again"})
    assert (twice.status_code, read_error(twice)[2]) == (409, "already_decided")


def test_a_verified_post_loses_its_surplus_copy_before_it_is_public(stack: Stack) -> None:
    prompt = new_prompt("Verified")
    stack.play_on("blotato", prompt, "POST /posts", {"type": "accept_twice"}, times=1)

    video = stack.submit(prompt, "pinterest", delivery="verified")

    stack.wait_for_posts(video["id"], "scheduled")
    wait_for(lambda: len(stack.list_cancelled_posts(prompt)) == 1, what="the surplus copy to go")
    [post] = stack.list_posts(prompt)
    assert post["state"] == "scheduled"


@pytest.mark.both(always=True)
def test_a_scheduled_post_is_moved_and_cancelled(stack: Stack) -> None:
    prompt = new_prompt("Tomorrow")
    tomorrow = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    fields = target_of("twitter", scheduled_time=tomorrow.isoformat())
    video = stack.follow(stack.submit(prompt, publish=[fields])["id"])
    assert list_states(video) == {"twitter": "scheduled"}
    [post] = stack.list_posts(prompt)
    assert datetime.fromisoformat(post["scheduled_time"]) == tomorrow
    assert video["id"] in [listed["video_id"] for listed in stack.api.get("/schedules").json()["data"]]

    later = tomorrow + timedelta(hours=3)
    stack.ask("PATCH", path_of(video, "twitter"), {"scheduled_time": later.isoformat()})
    [post] = stack.list_posts(prompt)
    # PATCH replaces the draft: nothing of it may be lost.
    assert datetime.fromisoformat(post["scheduled_time"]) == later
    assert (post["text"], len(post["media_urls"]), post["target"]["targetType"]) == (prompt, 1, "twitter")

    stack.ask("DELETE", path_of(video, "twitter"))
    assert stack.list_posts(prompt) == []
    assert list_states(stack.retrieve(video["id"])) == {"twitter": "cancelled"}
    twice: httpx.Response = stack.api.delete(path_of(video, "twitter"))
    assert (twice.status_code, read_error(twice)[2]) == (409, "already_decided")


def test_networks_follow_each_other(stack: Stack) -> None:
    prompt = new_prompt("One after the other")

    video = stack.follow(stack.submit(prompt, "bluesky", "threads", "twitter", stagger_minutes=30)["id"])

    assert list_states(video) == {"bluesky": "published", "threads": "scheduled", "twitter": "scheduled"}
    times = {post["platform"]: post["scheduled_time"] for post in stack.list_posts(prompt)}
    gap = datetime.fromisoformat(times["twitter"]) - datetime.fromisoformat(times["threads"])
    assert abs(gap - timedelta(minutes=30)) < timedelta(seconds=1)

"""A person decides once whether a video is posted."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from mediaposter.domain.errors import NotFound
from mediaposter.stores.approvals import Approval, approval_key
from tests.conformance.stack import Stack, Video, expect, list_states, read_error
from tests.integration.stack import new_prompt, target, wait_for

pytestmark = pytest.mark.both


@pytest.fixture
def waiting(stack: Stack) -> Video:
    video_id = stack.submit(new_prompt("May I"), "instagram", "threads", approval="required")["id"]

    def look() -> Video | None:
        approval = read_approval(stack, video_id)
        return stack.retrieve(video_id) if approval is not None and approval.is_told else None

    return wait_for(look, what="the question")


def read_approval(stack: Stack, video_id: str) -> Approval | None:
    try:
        return Approval.model_validate(stack.table.get(approval_key(video_id)))
    except NotFound:
        return None


@pytest.mark.both(always=True)
def test_an_approved_video_is_posted_with_the_edits(stack: Stack, waiting: Video) -> None:
    assert (waiting["status"], waiting["stage"]) == ("completed", "awaiting_approval")
    assert stack.list_posts(waiting["prompt"]) == []
    # Anyone with the token could let the video go on.
    approval = read_approval(stack, waiting["id"])
    assert approval is not None
    assert approval.task_token
    assert approval.task_token not in stack.api.get(f"/videos/{waiting['id']}").text
    words = f"In other words: {waiting['prompt']}"
    first = target("threads")
    assert isinstance(first, dict)
    edits: JsonValue = {"publish": [{**first, "text": words}, target("bluesky")]}

    path = f"/videos/{waiting['id']}/approval"
    stack.ask("POST", path, {"decision": "approve", "edits": edits, "comment": "Lovely."})
    video = stack.follow(waiting["id"])

    assert list_states(video) == {"bluesky": "published", "threads": "published"}
    texts = {post["platform"]: post["text"] for post in stack.list_posts(waiting["prompt"])}
    assert texts == {"bluesky": waiting["prompt"], "threads": words}
    events = {event["type"]: event for event in stack.ask("GET", f"/videos/{waiting['id']}/events")["data"]}
    assert {"video.created", "model.tried", "approval.asked", "post.published"} < events.keys()
    decided = events["approval.approved"]
    assert (decided["comment"], decided["edits"], decided["by"]) == (
        "Lovely.",
        "targets",
        video["approval"]["decided_by"],
    )
    twice = stack.api.post(path, json={"decision": "reject"})
    assert (twice.status_code, read_error(twice)[2]) == (409, "already_decided")


def test_a_rejected_video_is_kept_and_never_posted(stack: Stack, waiting: Video) -> None:
    path = f"/videos/{waiting['id']}/approval"

    stack.ask("POST", path, {"decision": "reject"})
    video = stack.follow(waiting["id"])

    assert (video["status"], list_states(video)) == ("completed", {"instagram": "cancelled", "threads": "cancelled"})
    assert stack.list_posts(waiting["prompt"]) == []
    expect(409, stack.api.post(path, json={"decision": "approve"}))


def test_a_video_that_is_not_decided_in_time_is_rejected(stack: Stack, waiting: Video) -> None:
    stack.expire_approval(waiting["id"])

    stack.sweep()
    video = stack.follow(waiting["id"])

    assert (video["approval"]["status"], {*list_states(video).values()}) == ("expired", {"cancelled"})
    assert stack.list_posts(waiting["prompt"]) == []

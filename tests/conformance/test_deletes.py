"""What is deleted is gone here and stops at the provider; what Blotato has stays, until it is cancelled there."""

from __future__ import annotations

import pytest

from tests.conformance.stack import Stack, expect, read_error
from tests.integration.stack import new_prompt, wait_for

pytestmark = pytest.mark.both


def test_a_finished_video_is_deleted_with_its_files_and_its_posts_stay(stack: Stack) -> None:
    prompt = new_prompt("Away")
    video = stack.follow(stack.submit(prompt, "threads")["id"])
    folder = f"videos/{video['id']}/"
    files = ("spritesheet.jpg", "thumbnail.webp", "video.mp4")
    assert stack.list_files(folder) == [f"{folder}{name}" for name in files]

    deleted = stack.ask("DELETE", f"/videos/{video['id']}")

    assert deleted == {"id": video["id"], "object": "video.deleted", "deleted": True}
    assert stack.list_files(folder) == []
    assert [post["platform"] for post in stack.list_posts(prompt)] == ["threads"]
    for path in ("", "/content", "/posts"):
        answer = stack.api.get(f"/videos/{video['id']}{path}")
        assert (answer.status_code, read_error(answer)[2]) == (404, "not_found")
    expect(404, stack.api.delete(f"/videos/{video['id']}"))


def test_a_video_that_is_rendered_is_deleted_and_never_posted(stack: Stack) -> None:
    prompt = new_prompt("Never mind")
    stack.play_on("sora", prompt, "create", {"type": "never_finish"})
    video = stack.submit(prompt, "twitter")
    wait_for(lambda: stack.retrieve(video["id"])["stage"] == "rendering", what="the render")

    stack.ask("DELETE", f"/videos/{video['id']}")

    expect(404, stack.api.get(f"/videos/{video['id']}"))
    assert stack.list_posts(prompt) == []

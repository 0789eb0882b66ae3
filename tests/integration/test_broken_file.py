"""A file that is not a whole video leaves neither an object nor a part of an upload in the bucket."""

from __future__ import annotations

from mediaposter.ai.video_model_interface import VideoStatus
from tests.integration.stack import DeployedStack, new_prompt


def test_a_file_that_is_not_a_whole_mp4_is_never_kept(stack: DeployedStack) -> None:
    prompt = new_prompt("Broken file")
    stack.play_on_videos(prompt, "content", {"type": "truncate_silently", "after_bytes": 2000})

    video = stack.follow_beyond_its_time(stack.submit(prompt, "instagram").id)

    assert video.status is VideoStatus.FAILED
    assert video.error is not None
    assert stack.list_versions(video.id) == []
    assert stack.count_uploads_in_progress(video.id) == 0
    assert stack.list_posts(prompt) == []

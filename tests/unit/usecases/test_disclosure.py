"""The stack's disclosure ends captions where the network has no label for AI: once, whole, or the post is refused."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from mediaposter.config import Settings
from mediaposter.domain.errors import ConfigurationError, InvalidRequest
from mediaposter.stores.idempotency import identify_request
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.posting.default_disclosure import add_default_disclosure
from mediaposter.usecases.posting.plan_posts import plan_posts
from mediaposter.wire.body_fields import TARGETS
from mediaposter.wire.post_requests import ApprovalRequest, PublishAgainRequest
from mediaposter.wire.request_context import RequestContext
from tests.builders import NOW, OWNER, VIDEO_ID, a_caller, a_request, a_target, a_video
from tests.fakes.world import World
from tests.unit.usecases.posting import a_kept_video

MADE = "Made with AI."
THREADS: dict[str, Any] = {"platform": "threads", "account_id": "7"}
TO_THREADS = PublishAgainRequest.model_validate({"publish": [THREADS], "text": "Up"})


def caption_of(target: dict[str, Any], text: str = "Up") -> str:
    request = add_default_disclosure(a_request(publish=[target], text=text), MADE)
    return plan_posts(request, a_video(), candidates=(), now=NOW).posts[0].text


@pytest.mark.parametrize("model", TARGETS, ids=lambda model: model.__name__)
def test_it_ends_captions_on_the_seven_networks_without_a_label_and_on_no_others(model: Any) -> None:
    [platform] = get_args(model.model_fields["platform"].annotation)
    has_label = platform in {"tiktok", "youtube"}

    caption = caption_of(a_target(platform, "7").model_dump(exclude_none=True))

    assert caption == ("Up" if has_label else f"Up\n{MADE}")


@pytest.mark.parametrize("text", [f"Up. {MADE}", "Up.\nMADE WITH AI. #kite", MADE])
def test_a_caption_that_has_it_does_not_get_it_twice(text: str) -> None:
    assert caption_of(THREADS, text) == text


def test_a_target_may_say_it_in_its_own_words() -> None:
    assert caption_of({**THREADS, "disclosure": "AI was used."}) == "Up\nAI was used."


def test_a_caption_that_has_no_room_for_it_is_refused_and_not_cut() -> None:
    fits = "x" * (500 - len(MADE) - 1)

    assert caption_of(THREADS, fits) == f"{fits}\n{MADE}"
    with pytest.raises(InvalidRequest) as refusal:
        caption_of(THREADS, f"{fits}x")
    assert refusal.value.message == (
        "publish[0] (threads account 7): text: at most 500 bytes, got 501. It ends with the disclosure "
        '"Made with AI.", which counts too.'
    )


def test_a_story_without_a_caption_goes_out_with_a_warning() -> None:
    story = {"platform": "instagram", "account_id": "7", "media_type": "story"}
    warning = "publish[0] (instagram account 7): a story has no caption, so the disclosure of this stack is not on it."
    world = World(default_disclosure=MADE)

    submission = world.submit(a_request(publish=[story]), caller=a_caller())

    assert submission.posts[0].text == ""
    assert warning in submission.video.warnings
    estimate = World(default_disclosure=MADE).submit.estimate(a_request(publish=[story]), caller=a_caller())
    assert warning in estimate.candidates[0].warnings
    assert World().submit(a_request(publish=[story]), caller=a_caller()).video.warnings == ()


def post_at_submit(world: World) -> None:
    world.submit(a_request(publish=[THREADS], text="Up"), caller=a_caller())


def post_again(world: World) -> None:
    world.keep(a_kept_video(stage=Stage.DONE, is_told=True))
    world.repost(VIDEO_ID, TO_THREADS, caller=a_caller())


def post_with_approval(world: World) -> None:
    world.keep(a_kept_video(stage=Stage.DONE, is_told=True))
    world.stack.post_with_approval(VIDEO_ID, TO_THREADS, hours=24, caller=a_caller())


def post_by_edits(world: World) -> None:
    post_with_approval(world)
    edits = {"publish": [{**THREADS, "account_id": "8"}], "text": "Up"}
    world.decide(VIDEO_ID, ApprovalRequest.model_validate({"decision": "approve", "edits": edits}), caller=a_caller())


@pytest.mark.parametrize("make_post", [post_at_submit, post_again, post_with_approval, post_by_edits])
def test_every_way_to_a_post_adds_it(make_post: Any) -> None:
    world = World(default_disclosure=MADE)

    make_post(world)

    assert {post.text for post in world.posts} == {f"Up\n{MADE}"}


def test_it_is_one_line_of_up_to_200_characters() -> None:
    assert Settings.from_environment({"DEFAULT_DISCLOSURE": f" {MADE} "}).default_disclosure == MADE
    for wrong in ("Made\nwith AI", "x" * 201):
        with pytest.raises(ConfigurationError, match="DEFAULT_DISCLOSURE"):
            Settings.from_environment({"DEFAULT_DISCLOSURE": wrong})


def test_a_request_sent_again_after_the_setting_changed_is_the_same_video() -> None:
    world = World(default_disclosure=MADE)
    request = a_request(publish=[THREADS], text="Up")
    first = world.submit(request, caller=a_caller(), request_context=RequestContext("order 1"))
    known = world.requests.find(identify_request(OWNER, "order 1", "", "", now=NOW), now=NOW)

    assert known is not None
    assert (known.video_id, known.fingerprint) == (first.video.id, request.fingerprint())

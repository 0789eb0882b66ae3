"""Records of the first edition go on to their end: its table after each of its writes, taken over by this code.

`first_edition.jsonl` was written by the first edition's own tests, a line for each effect of a scenario: the items that
changed, and what the provider, the bucket and the publisher had by then. A number of DynamoDB is `{"$n": "…"}`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import AwareDatetime, BaseModel, ConfigDict, JsonValue, TypeAdapter

from mediaposter.ai.video_model_interface import VideoGenerationRequest, VideoStatus
from mediaposter.domain.errors import ErrorCode
from mediaposter.publishing.targets import AnyTarget
from mediaposter.stores.posts import PostState
from mediaposter.stores.table import Key
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.steps import PostReference
from tests.builders import VIDEO_ID
from tests.fakes.publisher import FakePost
from tests.fakes.video_model import MP4
from tests.fakes.world import World

STATES = Path(__file__).with_name("first_edition.jsonl")
TARGET: TypeAdapter[AnyTarget] = TypeAdapter(AnyTarget)
RENDERED = VideoGenerationRequest(prompt="A red kite over the sea", width=720, height=1280, duration_seconds=4)


class OldPost(BaseModel):
    model_config = ConfigDict(frozen=True)

    target: JsonValue
    text: str
    media_url: str
    taken_at: AwareDatetime
    scheduled_time: AwareDatetime | None


class OldState(BaseModel):
    """What there was after one effect of the first edition."""

    model_config = ConfigDict(frozen=True)

    scenario: str
    after: str
    at: AwareDatetime
    renders: int
    files: list[str]
    uploads: list[str]
    posts: dict[str, OldPost]
    changed: list[dict[str, JsonValue]]


def read_states() -> Iterator[tuple[OldState, dict[Key, dict[str, Any]]]]:
    scenario, items = "", dict[Key, dict[str, Any]]()
    for line in STATES.read_text(encoding="utf-8").splitlines():
        state = OldState.model_validate_json(line)
        if state.scenario != scenario:
            scenario, items = state.scenario, {}
        changed = [read_item(item) for item in state.changed]
        items = {**items, **{Key(item["pk"], item["sk"]): item for item in changed}}
        yield state, items


def read_item(value: Any) -> Any:
    if isinstance(value, dict):
        return Decimal(value["$n"]) if "$n" in value else {name: read_item(each) for name, each in value.items()}
    return [read_item(each) for each in value] if isinstance(value, list) else value


def read_post(post: OldPost) -> FakePost:
    return FakePost(
        target=TARGET.validate_python(post.target),
        text=post.text,
        media_url=post.media_url,
        taken_at=post.taken_at,
        scheduled_time=post.scheduled_time,
    )


@pytest.mark.parametrize(
    ("state", "items"),
    [
        pytest.param(state, items, id=f"{number} {state.scenario}, after {state.after}")
        for number, (state, items) in enumerate(read_states(), start=1)
    ],
)
def test_a_record_of_the_first_edition_goes_on_to_its_end(state: OldState, items: dict[Key, dict[str, Any]]) -> None:
    world = World()
    world.clock.advance((state.at - world.clock()).total_seconds())
    world.table.items.update({key: dict(item) for key, item in items.items()})
    world.model.accepted += [RENDERED] * state.renders
    world.media.objects.update(dict.fromkeys(state.files, MP4))
    world.publisher.uploads.update(dict.fromkeys(state.uploads, MP4))
    world.publisher.posts.update({name: read_post(post) for name, post in state.posts.items()})

    video = world.video
    if not world.video.is_over:
        references = tuple(
            PostReference(video_id=VIDEO_ID, post_id=post.target.post_id)
            for post in world.posts
            if video.stage is Stage.PUBLISHING
        )
        world.workflow.start(VIDEO_ID, video.launch, references)
    world.carry_on()

    assert not [item for item in world.table.items.values() if "due" in item]
    assert len(world.model.accepted) <= 1
    assert max(world.publisher.count_posts().values(), default=0) <= 1
    if state.after in ("write VIDEO submitting", "create at the provider"):
        # The provider lists no jobs, so it cannot be known whether it took this one.
        assert world.video.failure is not None
        assert world.video.failure.code is ErrorCode.SUBMISSION_UNKNOWN
        return
    assert world.video.status is VideoStatus.COMPLETED
    states = Counter(post.state for post in world.posts)
    in_doubt = 1 if state.after.endswith("calling") else 0
    expected = PostState.CANCELLED if state.scenario == "waits for a decision" else PostState.PUBLISHED
    assert states[expected] == len(world.posts) - in_doubt
    assert len(world.publisher.posts) == states[PostState.PUBLISHED]

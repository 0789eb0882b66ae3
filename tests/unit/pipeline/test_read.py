"""Answering what is kept, to its owner alone."""

from __future__ import annotations

import pytest

from mediaposter.errors import ErrorCode, InvalidRequest, NotFound
from mediaposter.library.videos import Stage, VideoFailure
from tests.builders import OWNER, VIDEO_ID, a_post, a_stored_video, a_video
from tests.fakes.world import World


def kept_world() -> World:
    world = World()
    world.keep(a_video(stage=Stage.DONE, stored=a_stored_video()), a_post())
    return world


def test_an_owner_reads_the_video_and_its_posts() -> None:
    world = kept_world()

    assert world.read.retrieve(VIDEO_ID, owner=OWNER) == (world.video, [a_post()])


def test_a_video_of_somebody_else_looks_like_none_at_all() -> None:
    world = kept_world()

    with pytest.raises(NotFound):
        world.read.retrieve(VIDEO_ID, owner="key_of_another")
    with pytest.raises(NotFound):
        world.read.retrieve("video_2", owner=OWNER)


def test_the_content_of_somebody_elses_video_is_not_handed_out() -> None:
    with pytest.raises(NotFound):
        kept_world().read.locate(VIDEO_ID, owner="key_of_another", variant="video")


@pytest.mark.parametrize(
    ("variant", "url"),
    [
        ("video", "https://bucket.example/videos/video_1/video.mp4?as=video_1.mp4"),
        ("thumbnail", "https://bucket.example/videos/video_1/thumbnail.webp?as=video_1.webp"),
    ],
)
def test_a_variant_is_found_under_a_name_of_its_kind(variant: str, url: str) -> None:
    assert kept_world().read.locate(VIDEO_ID, owner=OWNER, variant=variant) == url


def test_an_unknown_variant_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidRequest, match=r"'spritesheet'. There are: video, thumbnail") as refusal:
        kept_world().read.locate(VIDEO_ID, owner=OWNER, variant="spritesheet")

    assert (refusal.value.param, refusal.value.code) == ("variant", "invalid_value")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"stage": Stage.STORING}, "is not completed yet"),
        ({"failure": VideoFailure(code=ErrorCode.TIMEOUT, message="too late")}, "has failed"),
    ],
)
def test_a_video_that_is_not_kept_has_no_content(changes: dict[str, object], reason: str) -> None:
    world = World()
    world.keep(a_video(**changes))

    with pytest.raises(InvalidRequest, match=reason) as refusal:
        world.read.locate(VIDEO_ID, owner=OWNER, variant="video")

    assert refusal.value.code == "video_not_ready"

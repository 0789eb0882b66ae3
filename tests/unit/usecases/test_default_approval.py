"""Where a stack wants approvals, posts wait for a person unless a person says that they need not."""

from __future__ import annotations

from typing import Any

import pytest

from mediaposter.domain.errors import Forbidden
from mediaposter.stores.keys import Scope
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.requests.default_approval import BY_DEFAULT, NOT_THIS_KEY
from mediaposter.wire.batches import read_row_lines, write_row
from mediaposter.wire.caller import Caller
from mediaposter.wire.post_requests import PublishAgainRequest
from mediaposter.wire.requests import ExtendVideoRequest
from mediaposter.wire.rows import Row
from tests.builders import VIDEO_ID, a_caller, a_request, a_stored_video, a_video
from tests.fakes.world import World
from tests.unit.usecases.posting import a_kept_video

PUBLISH = [{"platform": "threads", "account_id": "7"}]
APPROVER = a_caller()
PUBLISHER = a_caller(scopes=frozenset({Scope.READ, Scope.CREATE, Scope.PUBLISH}))


@pytest.mark.parametrize(
    ("caller", "fields", "hours", "warnings"),
    [
        pytest.param(APPROVER, {}, 24, (BY_DEFAULT,), id="unsaid"),
        pytest.param(APPROVER, {"approval": None}, 24, (BY_DEFAULT,), id="null"),
        pytest.param(APPROVER, {"approval": "required", "approval_hours": 3}, 3, (), id="required"),
        pytest.param(APPROVER, {"approval": "none"}, None, (), id="none by an approver"),
        pytest.param(PUBLISHER, {"approval": "none"}, 24, (NOT_THIS_KEY,), id="none by another"),
        pytest.param(APPROVER, {"publish": None}, None, (), id="no posts"),
    ],
)
def test_posts_wait_unless_an_approver_says_none(
    caller: Caller, fields: dict[str, Any], hours: int | None, warnings: tuple[str, ...]
) -> None:
    request = a_request(**{"publish": PUBLISH, **fields})

    video = World(default_approval="required").submit(request, caller=caller).video

    assert (video.approval_hours, video.warnings) == (hours, warnings)


def test_a_stack_that_wants_no_approvals_adds_none() -> None:
    video = World().submit(a_request(publish=PUBLISH), caller=APPROVER).video

    assert (video.approval_hours, video.warnings) == (None, ())


def test_the_posts_of_a_video_that_is_made_from_another_wait_as_well() -> None:
    world = World(default_approval="required")
    kept = {"stage": Stage.DONE, "stored": a_stored_video("video_0"), "provider_job_id": "job-0", "seconds": 8}
    world.keep(a_video(id="video_0", **{**kept, "resolved_model": "kite-1", "size": "768x1280"}))
    fields = {"video": "video_0", "prompt": "Higher", "seconds": "5", "publish": PUBLISH}

    made = world.submit.derive(ExtendVideoRequest.model_validate(fields), caller=APPROVER)

    assert made.video.approval_hours == 24


def test_a_dry_run_warns_of_the_approval() -> None:
    estimate = World(default_approval="required").submit.estimate(a_request(publish=PUBLISH), caller=APPROVER)

    assert estimate.candidates[0].warnings == (BY_DEFAULT,)


def test_nothing_is_posted_before_a_person_says_so() -> None:
    world = World(default_approval="required")

    world.deliver(a_request(publish=PUBLISH))

    assert (world.video.stage, world.publisher.publish_calls) == (Stage.DONE, 0)


@pytest.mark.parametrize("said", [{}, {"approval": "none"}])
def test_a_row_of_a_batch_says_what_its_sheet_said(said: dict[str, str]) -> None:
    row = Row(number=1, line=1, row_id=None, request=a_request(publish=PUBLISH, **said), error=None)

    [line] = read_row_lines(write_row(row))

    assert line.request is not None
    assert ("approval" in line.request.model_fields_set) is bool(said)


def test_a_kept_video_is_posted_to_more_targets_by_approvers_alone() -> None:
    world = World(default_approval="required")
    world.keep(a_kept_video(stage=Stage.DONE, is_told=True))
    request = PublishAgainRequest.model_validate({"publish": PUBLISH})

    with pytest.raises(Forbidden, match="the scope approve"):
        world.repost(VIDEO_ID, request, caller=PUBLISHER)
    assert world.posts == []

    world.repost(VIDEO_ID, request, caller=APPROVER)
    assert len(world.posts) == 1

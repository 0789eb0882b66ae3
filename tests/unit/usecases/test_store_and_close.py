"""Keeping the finished video, and closing its record."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import pytest

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.errors import (
    ConfigurationError,
    ErrorCode,
    IncompleteMedia,
    MediaError,
    MediaPosterError,
    StorageFull,
    VersionConflict,
    VideoModelError,
)
from mediaposter.stores.posts import Post, PostState
from mediaposter.stores.video_record import VideoFailure
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.generation.store_and_close import STORE_ATTEMPTS_MAX
from mediaposter.usecases.steps import CheckInput, CloseInput, Outcome, PostFault, StepInput, StepResult
from tests.builders import NOW, VIDEO_ID, a_post, a_stored_video, a_target, a_video
from tests.fakes.media import FakeMediaStore
from tests.fakes.world import KEPT_FOR, World
from tests.unit.usecases.failing import failure_of

STEP = CheckInput(video_id=VIDEO_ID)
LAST_STEP = StepInput(video_id=VIDEO_ID, attempt=STORE_ATTEMPTS_MAX)
# After so long no video may go on.
ALL_TIME = timedelta(days=3)
CLOSING = CloseInput(video_id=VIDEO_ID)
BROKEN = CloseInput(video_id=VIDEO_ID, fault="States.Timeout")
STORE_AGAIN = f"POST /videos/{VIDEO_ID}/store downloads it again, without another render, while sora keeps it."
KEY = a_stored_video().key
TRUNCATED = IncompleteMedia("The video ends in the middle of a box.")
UNPLAYABLE = MediaError("Nothing in the video decodes.")
DISK_FULL = StorageFull("The disk of /srv/files is full.")
LOST = VideoModelError(ErrorCode.PROVIDER_ERROR, "The connection was lost.", transient=True)
GONE = VideoModelError(ErrorCode.EXPIRED, "There is no such video.")
TIMED_OUT = VideoFailure(code=ErrorCode.TIMEOUT, message="too late")

TWO_POSTS = (a_post(a_target("tiktok")), a_post(a_target("twitter")))


def finished_world(*errors: Exception, posts: int = 0) -> World:
    """Build a world whose provider has finished the video."""
    world = World(media=partial(FakeMediaStore, errors=errors))
    world.keep(a_video(), *TWO_POSTS[:posts])
    world.start(STEP)
    world.check(STEP)
    return world


def kept_world(*posts: Post, stage: Stage = Stage.PUBLISHING) -> World:
    """Build a world whose video is kept."""
    world = World()
    world.keep(a_video(stage=stage, provider_job_id="job-1", stored=a_stored_video(), completed_at=NOW), *posts)
    return world


def test_storing_twice_stores_once_and_names_the_posts_again() -> None:
    world = finished_world(posts=1)
    first = world.store(STEP)

    assert world.store(StepInput(video_id=VIDEO_ID, attempt=2)) == first
    assert world.media.puts == {KEY: 1}
    assert len(world.media.deadlines) == 1


def test_a_worker_that_loses_the_race_for_the_record_breaks_off_and_harms_nothing() -> None:
    world = finished_world(posts=1)
    world.meanwhile = lambda: world.store(STEP)

    with pytest.raises(VersionConflict):
        world.store(STEP)

    assert world.media.puts == {KEY: 1}
    assert world.video.stage is Stage.PUBLISHING


@pytest.mark.parametrize(
    "error", [TRUNCATED, UNPLAYABLE, LOST, GONE, DISK_FULL, ConfigurationError("no key")], ids=repr
)
@pytest.mark.parametrize("attempt", range(1, STORE_ATTEMPTS_MAX))
def test_a_download_that_fails_is_tried_again_whatever_the_reason(error: Exception, attempt: int) -> None:
    world = finished_world(error)

    result = world.store(StepInput(video_id=VIDEO_ID, attempt=attempt))

    assert result == StepResult(outcome=Outcome.WAIT, wait_seconds=15 * attempt)
    assert (world.video.stage, world.video.failure) == (Stage.STORING, None)


def test_a_providers_hint_says_when_to_download_again() -> None:
    busy = VideoModelError(ErrorCode.RATE_LIMITED, "Later.", transient=True, retry_after_seconds=77)

    assert finished_world(busy).store(STEP).wait_seconds == 77


@pytest.mark.parametrize(
    ("error", "code"),
    [(UNPLAYABLE, ErrorCode.PROVIDER_ERROR), (GONE, ErrorCode.EXPIRED)],
)
def test_what_time_does_not_mend_fails_the_video_and_says_how_it_is_fetched_again(
    error: Exception, code: ErrorCode
) -> None:
    world = finished_world(error)

    assert world.store(LAST_STEP).outcome is Outcome.FAILED

    assert world.video.failure == VideoFailure(
        code=code,
        message=f"sora rendered the video but did not deliver it whole. {error} {STORE_AGAIN}",
    )
    assert world.media.objects == {}


@pytest.mark.parametrize(
    "error",
    [LOST, TRUNCATED, DISK_FULL, ConfigurationError("no key"), VideoModelError(ErrorCode.AUTHENTICATION, "No.")],
    ids=repr,
)
def test_what_may_pass_leaves_the_video_to_the_sweep_longer_each_time(error: Exception) -> None:
    waits = []
    for launch in range(6):
        world = finished_world(error)
        world.video_store.note(world.video, now=NOW, launch=launch)
        assert world.store(LAST_STEP).outcome is Outcome.QUEUED_FOR_CAPACITY
        assert (world.video.stage, world.video.failure, world.video.due_at is None) == (Stage.STORING, None, False)
        waits.append(((world.video.due_at or NOW) - NOW).total_seconds() / 60)

    assert waits == [5, 10, 20, 40, 60, 60]


@pytest.mark.parametrize(
    ("error", "lasts", "fault"),
    [
        (
            DISK_FULL,
            timedelta(minutes=3),
            "The video is rendered, but the disk of this host is full, so it is not stored. Make room on the disk.",
        ),
        (LOST, timedelta(hours=20), "The connection was lost."),
    ],
    ids=["a full disk is told without its path", "a connection that is lost for twenty hours"],
)
def test_a_download_survives_what_may_pass_and_is_stored_without_another_render(
    error: Exception, lasts: timedelta, fault: str
) -> None:
    world = finished_world(*[error] * 999)
    world.workflow.executions.append(VIDEO_ID)
    carry_on_until(world, NOW + lasts)
    assert (world.video.stage, world.video.failure, world.video.fault) == (Stage.STORING, None, fault)

    world.media.errors.clear()
    world.sweep_until_nothing_is_due()

    assert (world.video.status, world.video.is_told, world.video.fault) == (VideoStatus.COMPLETED, True, None)
    assert world.model.create_calls == 1


def test_a_download_that_never_succeeds_fails_when_its_provider_forgets_the_video() -> None:
    world = finished_world(*[LOST] * 999)
    world.workflow.executions.append(VIDEO_ID)
    world.run_executions()
    world.sweep_until_nothing_is_due()

    assert failure_of(world).message == (
        f"sora rendered the video but did not deliver it whole. The connection was lost. {STORE_AGAIN}"
    )
    assert KEPT_FOR - timedelta(minutes=5) < world.video.updated_at - NOW < KEPT_FOR


def carry_on_until(world: World, moment: datetime) -> None:
    """Let the sweep come each minute, and executions run, until then."""
    while world.clock() < moment:
        world.run_executions()
        world.clock.advance(60)
        world.sweep()


def test_a_store_that_ends_after_a_deletion_leaves_nothing() -> None:
    world = finished_world()
    # The deletion came too early to find the MP4.
    world.media.meanwhile = lambda: world.video_store.delete(world.video, 0, now=NOW)

    assert world.store(STEP).outcome is Outcome.FAILED

    assert world.media.objects == {}


def test_a_kept_video_that_is_not_what_was_promised_says_so() -> None:
    world = finished_world()
    world.video_store.note(world.video, now=NOW, seconds=8, size="1280x720")

    world.store(STEP)

    assert world.video.warnings == (
        "size: 1280x720 was asked for, and the provider made 720x1280.",
        "seconds: 8 were asked for, and the provider made 4.",
    )


@pytest.mark.parametrize(
    "changes",
    [{"stage": Stage.RENDERING, "provider_job_id": "job-1"}, {"stage": Stage.STORING}],
    ids=["early", "no job"],
)
def test_a_video_there_is_nothing_of_yet_is_a_fault(changes: dict[str, object]) -> None:
    world = World()
    world.keep(a_video(**changes))

    with pytest.raises(MediaPosterError, match="there is nothing to store yet"):
        world.store(STEP)

    assert world.video.failure is None


def test_closing_again_changes_nothing_and_sends_no_event_again() -> None:
    world = kept_world(*TWO_POSTS)
    world.clock.advance(ALL_TIME.total_seconds())
    world.close(BROKEN)
    items = dict(world.table.items)

    world.close(CLOSING)

    assert world.table.items == items
    assert [event.type for event in world.events] == ["video.completed"]
    assert world.metrics.count("VideosCompleted") == 1


@pytest.mark.parametrize(
    ("stage", "job_id", "code", "end"),
    [
        (Stage.QUEUED, None, ErrorCode.INTERNAL_ERROR, "Nothing was generated or spent; send the request again."),
        (
            Stage.SUBMITTING,
            None,
            ErrorCode.SUBMISSION_UNKNOWN,
            (
                "The provider may have accepted the video and may charge for it, so it was not sent again. Check the "
                "provider, then send a new request if it has no such video."
            ),
        ),
        (
            Stage.RENDERING,
            "job-1",
            ErrorCode.INTERNAL_ERROR,
            "The provider's job job-1 may have been paid for; nothing was posted.",
        ),
        (Stage.STORING, "job-1", ErrorCode.INTERNAL_ERROR, f"Nothing was posted. {STORE_AGAIN}"),
    ],
)
@pytest.mark.parametrize("closing", [BROKEN, CLOSING], ids=["a reason", "none"])
def test_a_video_whose_machine_broke_off_says_where_and_what_is_known_when_its_time_is_over(
    stage: Stage, job_id: str | None, code: ErrorCode, end: str, closing: CloseInput
) -> None:
    world = World()
    world.keep(a_video(stage=stage, provider_job_id=job_id))
    world.clock.advance(ALL_TIME.total_seconds())

    world.close(closing)

    where = f"MediaPoster itself failed at {stage} ({closing.fault or 'no reason given'})."
    assert world.video.failure == VideoFailure(code=code, message=f"{where} {end}")
    assert world.events[0].error_code is code


def test_the_posts_of_a_failed_video_fail_for_its_reason() -> None:
    world = World()
    world.keep(a_video(stage=Stage.RENDERING, failure=TIMED_OUT), *TWO_POSTS)

    world.close(CLOSING)

    assert {(post.state, post.error_code, post.error_message) for post in world.posts} == {
        (PostState.FAILED, ErrorCode.TIMEOUT, "The video failed, so nothing was posted.")
    }
    assert world.metrics == ["PostsFailed", "PostsFailed", "VideosFailed"]


@pytest.mark.parametrize(
    "stage", [Stage.QUEUED, Stage.SUBMITTING, Stage.RENDERING, Stage.STORING, Stage.AWAITING_APPROVAL, Stage.PUBLISHING]
)
def test_a_video_that_may_go_on_is_left_to_another_execution_with_the_reason_why(stage: Stage) -> None:
    world = World()
    world.keep(a_video(stage=stage, provider_job_id="job-1", deadline_at=NOW, approval_hours=1, launch=2), a_post())

    world.close(CloseInput(video_id=VIDEO_ID, launch=2, fault="States.Timeout"))
    world.close(CloseInput(video_id=VIDEO_ID, launch=2))

    video = world.video
    assert (video.stage, video.failure, video.fault, world.events) == (stage, None, "States.Timeout", [])
    assert video.due_at == NOW + timedelta(minutes=4), "twice as long for each execution before it"
    assert [post.state for post in world.posts] == [PostState.PENDING]


def test_what_broke_at_one_post_reaches_the_record_and_the_person() -> None:
    world = kept_world(a_post())
    closing = CloseInput(video_id=VIDEO_ID, posts=(PostFault(), PostFault(fault="Lambda.Unknown")))

    world.close(closing)
    assert world.video.fault == "Lambda.Unknown"
    world.clock.advance(ALL_TIME.total_seconds())
    world.close(CLOSING)

    assert [post.error_message for post in world.posts] == [
        "MediaPoster itself failed (Lambda.Unknown) before anything was sent."
    ]


def test_posts_that_wait_for_a_place_are_left_until_it_comes() -> None:
    place_at = NOW + timedelta(hours=3)
    world = kept_world(a_post(place_for="upload", place_at=place_at))

    world.close(CLOSING)

    assert (world.video.due_at, [post.state for post in world.posts]) == (place_at, [PostState.PENDING])


def test_a_late_close_leaves_the_posts_of_a_newer_execution_alone() -> None:
    world = World()
    world.keep(a_video(stage=Stage.PUBLISHING, stored=a_stored_video(), launch=1), a_post())
    world.clock.advance(ALL_TIME.total_seconds())

    world.close(CloseInput(video_id=VIDEO_ID, launch=0, fault="execution FAILED"))

    assert (world.video.stage, [post.state for post in world.posts]) == (Stage.PUBLISHING, [PostState.PENDING])

    world.close(CloseInput(video_id=VIDEO_ID, launch=1, fault="execution FAILED"))

    assert (world.video.stage, [post.state for post in world.posts]) == (Stage.DONE, [PostState.FAILED])

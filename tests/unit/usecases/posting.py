"""What the tests of posting begin with: a kept video, one post of it, and what the publisher may answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from mediaposter.domain.errors import ConfigurationError, ErrorCode, InvalidRequest, PublisherError
from mediaposter.publishing.publisher_interface import ListedPost, PostReport, PostStatus
from mediaposter.publishing.targets import PublishTarget
from mediaposter.stores.posts import Post
from mediaposter.stores.video_record import Video
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.posting.reconcile import SWEEP_GRACE
from mediaposter.usecases.steps import Outcome, PostStepInput, StepResult
from tests.builders import NOW, VIDEO_ID, a_post, a_stored_video, a_video
from tests.fakes.answers import Answer
from tests.fakes.effects import Effects
from tests.fakes.publisher import FakePost, FakePublisher
from tests.fakes.video_model import MP4
from tests.fakes.world import World

POST_ID = "twitter#101"
STEP = PostStepInput(video_id=VIDEO_ID, post_id=POST_ID)
SETTLED = StepResult(outcome=Outcome.SETTLED)
ANOTHER_IS_AT_IT = StepResult(outcome=Outcome.WAIT, wait_seconds=10)
TOMORROW = NOW + timedelta(days=1)

BUSY = PublisherError(ErrorCode.RATE_LIMITED, "Wait 20 seconds.", transient=True, retry_after_seconds=20)
FAULT = PublisherError(ErrorCode.PROVIDER_ERROR, "Blotato could not be reached.", transient=True)
REFUSED = PublisherError(ErrorCode.INVALID_REQUEST, "The account is not connected.")
NO_KEY = ConfigurationError("The secret /blotato-api-key is missing.")

IN_PROGRESS = PostReport(submission_id="", status=PostStatus.IN_PROGRESS)
# Where the fake gives the first upload its address.
MEDIA_URL = "https://media.example/1/video_1-twitter-101.mp4"


def a_kept_video(**changes: Any) -> Video:
    """Build a video that is kept and being posted."""
    stored = a_stored_video().model_copy(update={"size_bytes": len(MP4)})
    return a_video(**{"stage": Stage.PUBLISHING, "stored": stored, "completed_at": NOW, **changes})


def kept_world(
    *publishes: Answer,
    checks: tuple[PostReport | PublisherError, ...] = (),
    upload_errors: tuple[Exception, ...] = (),
    effects: Effects | None = None,
    video: Video | None = None,
    **post: Any,
) -> World:
    """Build a world with a kept video and one post of it."""
    world = World(
        effects=effects,
        publisher=partial(FakePublisher, publishes=publishes, checks=checks, upload_errors=upload_errors),
    )
    world.media.objects[a_stored_video().key] = MP4
    world.keep(video or a_kept_video(), a_post(**post))
    return world


def post_of(world: World) -> Post:
    """Read the one post."""
    [post] = world.posts
    return post


def is_due(world: World) -> bool:
    """Tell whether the sweep comes back to a post or a question, ever; a video has an alarm of its own."""
    return any("due" in item for key, item in world.table.items.items() if key.sk not in ("VIDEO", "LEFTOVERS"))


def after(**span: float) -> Any:
    """Give the time so long after the beginning at which the sweep looks after something."""
    return NOW + timedelta(**span) + SWEEP_GRACE


def wait_for(seconds: int) -> StepResult:
    """Give the answer that the machine shall come back."""
    return StepResult(outcome=Outcome.WAIT, wait_seconds=seconds)


def a_listed_post(**changes: Any) -> ListedPost:
    """Build what a list shows of the post."""
    return ListedPost.model_validate(
        {
            "listed_id": "listed-1",
            "post_time": NOW,
            "platform": "twitter",
            "text": "A red kite over the sea",
            "media_urls": (MEDIA_URL,),
            "status": PostStatus.PUBLISHED,
            "public_url": "https://network.example/listed-1",
            **changes,
        }
    )


def take(world: World, **changes: Any) -> None:
    """Let the publisher accept the post, without an answer."""
    post = post_of(world)
    submission_id = f"submission-{len(world.publisher.posts) + 1}"
    world.publisher.posts[submission_id] = FakePost(
        **{"target": post.target, "text": post.text, "media_url": MEDIA_URL, **changes}
    )


def refuse_targets(targets: Sequence[PublishTarget]) -> list[str]:
    """Refuse the account 9, as one that is not connected."""
    if any(target.account_id == "9" for target in targets):
        raise InvalidRequest("publish[0]: the account is not connected.", param="publish[0]", code="account_not_found")
    return []

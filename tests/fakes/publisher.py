"""A publisher that does as it is told, and shows what the public would see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from mediaposter.errors import PostUnknown, PublisherError
from mediaposter.publishing.publisher_interface import PostReport, PostStatus
from mediaposter.publishing.targets import PublishTarget
from tests.fakes.answers import Accept, Answer, Drop, Refuse
from tests.fakes.effects import Effects


@dataclass(frozen=True)
class FakePost:
    """One post the public can see."""

    target: PublishTarget
    text: str
    media_url: str


class FakePublisher:
    """Answers posts and questions by a script; when that is used up it accepts, and has published.

    Attributes:
        posts: what it took, by submission id.
        uploads: the bytes behind each URL it gave out.
        upload_errors: what the next uploads raise.
        scheduled_time: when accepted posts will go out, or None for at once.
        meanwhile: what happens while it decides on a post.
    """

    def __init__(
        self,
        effects: Effects | None = None,
        *,
        publishes: Sequence[Answer] = (),
        checks: Sequence[PostReport | PublisherError] = (),
        upload_errors: Sequence[Exception] = (),
    ) -> None:
        self.posts: dict[str, FakePost] = {}
        self.uploads: dict[str, bytes] = {}
        self.upload_errors = list(upload_errors)
        self.publish_calls = 0
        self.scheduled_time: datetime | None = None
        self.meanwhile: Callable[[], object] = _nothing
        self._effects = effects or Effects()
        self._publishes = list(publishes)
        self._checks = list(checks)

    def upload_stream(self, chunks: Iterator[bytes], *, size_bytes: int, filename: str) -> str:
        """Take the bytes and give them a new address, whose last part is their name."""
        if self.upload_errors:
            raise self.upload_errors.pop(0)
        content = b"".join(chunks)
        if len(content) != size_bytes:
            raise AssertionError(f"{size_bytes} bytes were announced, {len(content)} came")
        url = f"https://media.example/{len(self.uploads) + 1}/{filename}"
        with self._effects.take("upload to the publisher"):
            self.uploads[url] = content
        return url

    def publish(self, target: PublishTarget, *, text: str, media_url: str) -> PostReport:
        """Take, refuse or lose a post."""
        if media_url not in self.uploads:
            raise AssertionError(f"nothing was uploaded as {media_url}")
        self.publish_calls += 1
        self.meanwhile()
        answer = self._publishes.pop(0) if self._publishes else Accept()
        with self._effects.take(f"publish on {target.post_id}"):
            if isinstance(answer, Refuse):
                raise answer.error
            submission_id = f"submission-{len(self.posts) + 1}"
            if isinstance(answer, Accept) or answer.is_accepted:
                self.posts[submission_id] = FakePost(target=target, text=text, media_url=media_url)
            if isinstance(answer, Drop):
                raise PostUnknown("The connection was lost. It may be public.")
        return PostReport(
            submission_id=submission_id,
            status=PostStatus.SCHEDULED if self.scheduled_time else PostStatus.IN_PROGRESS,
            scheduled_time=self.scheduled_time,
        )

    def get_post(self, submission_id: str) -> PostReport:
        """Answer by the script, then say that it is published; what it does not know is in progress for ever."""
        answer = self._checks.pop(0) if self._checks else None
        if isinstance(answer, PublisherError):
            raise answer
        if answer is not None:
            return answer.model_copy(update={"submission_id": submission_id})
        if submission_id not in self.posts:
            return PostReport(submission_id=submission_id, status=PostStatus.IN_PROGRESS)
        return PostReport(
            submission_id=submission_id,
            status=PostStatus.PUBLISHED,
            public_url=f"https://network.example/{submission_id}",
        )

    def count_posts(self) -> Counter[str]:
        """Count posts by the name of the file they show, which tells the video and the account."""
        return Counter(PurePosixPath(post.media_url).stem for post in self.posts.values())


def _nothing() -> None:
    """Let nothing happen meanwhile."""

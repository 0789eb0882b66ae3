"""A publisher that does as it is told, and shows what the public would see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from mediaposter.domain.errors import PostUnknown, PublisherError
from mediaposter.publishing.publisher_interface import (
    Account,
    Board,
    ListedPost,
    Page,
    PostReport,
    PostStatus,
    Schedule,
)
from mediaposter.publishing.targets import PublishTarget
from tests.builders import NOW
from tests.fakes.answers import Accept, Answer, Drop, Refuse
from tests.fakes.effects import Effects


@dataclass(frozen=True)
class FakePost:
    """One post the public can see, or will at its `scheduled_time`."""

    target: PublishTarget
    text: str
    media_url: str
    taken_at: datetime = NOW
    scheduled_time: datetime | None = None


class FakePublisher:
    """Answers posts and questions by a script; when that is used up it accepts, and has published.

    Attributes:
        posts: what it took, by submission id.
        uploads: the bytes behind each URL it gave out.
        upload_errors: what the next uploads raise.
        checks: what the next questions for a post are answered.
        looks: what the next lists of posts are, or raise; then they are of its own posts.
        schedule_errors: what the next calls about schedules raise; None is an answer.
        once_listed: what happens, once, right after it has listed its schedules.
        scheduled_time: when accepted posts will go out that name no time, or None for at once.
        accounts: what is connected, with
        pages: the pages and playlists below it, and
        boards: the boards.
        account_questions: how often it was asked for its accounts.
        account_error: what a question for what is connected raises.
        clock: tells it the time.
        publishes: what becomes of the next posts.
        copies: how many posts it makes of one call that it takes.
        list_lag_seconds: how long its lists do not show a post that it took.
        lists_twice: show everything twice in a list.
        is_silent: say of all that went out that it is in progress.
        meanwhile: what happens while it decides on a post.
    """

    def __init__(
        self,
        effects: Effects | None = None,
        *,
        publishes: Sequence[Answer] = (),
        checks: Sequence[PostReport | PublisherError] = (),
        upload_errors: Sequence[Exception] = (),
        looks: Sequence[Sequence[ListedPost] | PublisherError] = (),
    ) -> None:
        self.posts: dict[str, FakePost] = {}
        self.uploads: dict[str, bytes] = {}
        self.upload_errors = list(upload_errors)
        self.looks = list(looks)
        self.schedule_errors: list[PublisherError | None] = []
        self.once_listed: Callable[[], object] = _nothing
        self.publish_calls = 0
        self.accounts: list[Account] = []
        self.pages: list[Page] = []
        self.boards: list[Board] = []
        self.account_questions = 0
        self.account_error: PublisherError | None = None
        self.clock: Callable[[], datetime] = lambda: NOW
        self.scheduled_time: datetime | None = None
        self.meanwhile: Callable[[], object] = _nothing
        self._effects = effects or Effects()
        self.publishes = list(publishes)
        self.copies = 1
        self.list_lag_seconds = 0.0
        self.lists_twice = False
        self.is_silent = False
        self._taken = 0
        self.checks = list(checks)

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

    def publish(
        self,
        target: PublishTarget,
        *,
        text: str,
        media_url: str,
        scheduled_time: datetime | None = None,
        next_free_slot: bool = False,
    ) -> PostReport:
        """Take, refuse or lose a post; the next free slot is a day from now."""
        if media_url not in self.uploads:
            raise AssertionError(f"nothing was uploaded as {media_url}")
        if scheduled_time is not None and next_free_slot:
            raise AssertionError("a time and the next free slot")
        self.publish_calls += 1
        self.meanwhile()
        goes_out_at = self.clock() + timedelta(days=1) if next_free_slot else scheduled_time or self.scheduled_time
        answer = self.publishes.pop(0) if self.publishes else Accept()
        with self._effects.take(f"publish on {target.post_id}"):
            if isinstance(answer, Refuse):
                raise answer.error
            is_accepted = isinstance(answer, Accept) or answer.is_accepted
            submission_id = ""
            for _ in range(self.copies if is_accepted else 0):
                self._taken = max(self._taken, len(self.posts)) + 1
                submission_id = f"submission-{self._taken}"
                self.posts[submission_id] = FakePost(
                    target=target,
                    text=text,
                    media_url=media_url,
                    taken_at=self.clock(),
                    scheduled_time=goes_out_at,
                )
            if isinstance(answer, Drop):
                raise PostUnknown("The connection was lost. It may be public.")
        return PostReport(
            submission_id=submission_id,
            status=PostStatus.SCHEDULED if goes_out_at else PostStatus.IN_PROGRESS,
            scheduled_time=goes_out_at,
        )

    def get_post(self, submission_id: str) -> PostReport:
        """Answer by the script, then by the time of the post; what it does not know is in progress for ever."""
        answer = self.checks.pop(0) if self.checks else None
        if isinstance(answer, PublisherError):
            raise answer
        if answer is not None:
            return answer.model_copy(update={"submission_id": submission_id})
        if submission_id not in self.posts or (self.is_silent and not self._is_to_come(self.posts[submission_id])):
            return PostReport(submission_id=submission_id, status=PostStatus.IN_PROGRESS)
        post = self.posts[submission_id]
        if self._is_to_come(post):
            return PostReport(
                submission_id=submission_id, status=PostStatus.SCHEDULED, scheduled_time=post.scheduled_time
            )
        return PostReport(
            submission_id=submission_id,
            status=PostStatus.PUBLISHED,
            public_url=f"https://network.example/{submission_id}",
        )

    def list_posts(self, *, since: datetime, until: datetime, platform: str) -> list[ListedPost]:
        """Answer by the script, then list its own posts that are not still to come."""
        answer = self.looks.pop(0) if self.looks else None
        if isinstance(answer, PublisherError):
            raise answer
        if answer is not None:
            return list(answer)
        listed = [
            ListedPost(
                listed_id=f"published-{submission_id}",
                post_time=post.scheduled_time or post.taken_at,
                platform=post.target.platform,
                text=post.text,
                media_urls=(post.media_url,),
                status=PostStatus.PUBLISHED,
                public_url=f"https://network.example/{submission_id}",
            )
            for submission_id, post in self.posts.items()
            if not self._is_to_come(post)
            and self._is_listed(post)
            and post.target.platform == platform
            and since <= (post.scheduled_time or post.taken_at) <= until
        ]
        return [*listed, *(item.model_copy() for item in listed)] if self.lists_twice else listed

    def list_schedules(self) -> list[Schedule]:
        """List its own posts that are still to come."""
        self._raise_schedule_error()
        schedules = [
            Schedule(
                schedule_id=f"schedule-{submission_id}",
                scheduled_time=post.scheduled_time,
                account_id=post.target.account_id,
                platform=post.target.platform,
                text=post.text,
                media_urls=(post.media_url,),
            )
            for submission_id, post in self.posts.items()
            if post.scheduled_time is not None and self._is_to_come(post) and self._is_listed(post)
        ]
        happen, self.once_listed = self.once_listed, _nothing
        happen()
        return [*schedules, *(item.model_copy() for item in schedules)] if self.lists_twice else schedules

    def move_schedule(self, schedule_id: str, scheduled_time: datetime) -> bool:
        """Move a post that is still to come."""
        self._raise_schedule_error()
        submission_id = self._find_schedule(schedule_id)
        if submission_id is None:
            return False
        with self._effects.take(f"move {schedule_id}"):
            self.posts[submission_id] = replace(self.posts[submission_id], scheduled_time=scheduled_time)
        return True

    def cancel_schedule(self, schedule_id: str) -> bool:
        """Take away a post that is still to come."""
        self._raise_schedule_error()
        submission_id = self._find_schedule(schedule_id)
        if submission_id is None:
            return False
        with self._effects.take(f"cancel {schedule_id}"):
            del self.posts[submission_id]
        return True

    def list_accounts(self) -> list[Account]:
        """List what is connected."""
        self.account_questions += 1
        if self.account_error is not None:
            raise self.account_error
        return list(self.accounts)

    def list_pages(self, account_id: str) -> list[Page]:
        """List the pages and playlists of an account."""
        return [page for page in self.pages if page.account_id == account_id]

    def list_boards(self, account_id: str) -> list[Board]:
        """List the boards of an account."""
        return [board for board in self.boards if board.account_id == account_id]

    def count_posts(self) -> Counter[str]:
        """Count posts by the name of the file they show, which tells the video and the account."""
        return Counter(PurePosixPath(post.media_url).stem for post in self.posts.values())

    def _is_to_come(self, post: FakePost) -> bool:
        return post.scheduled_time is not None and self.clock() < post.scheduled_time

    def _is_listed(self, post: FakePost) -> bool:
        return self.clock() >= post.taken_at + timedelta(seconds=self.list_lag_seconds)

    def _find_schedule(self, schedule_id: str) -> str | None:
        submission_id = schedule_id.removeprefix("schedule-")
        is_known = submission_id in self.posts and self._is_to_come(self.posts[submission_id])
        return submission_id if is_known else None

    def _raise_schedule_error(self) -> None:
        error = self.schedule_errors.pop(0) if self.schedule_errors else None
        if error is not None:
            raise error


def _nothing() -> None:
    """Let nothing happen meanwhile."""

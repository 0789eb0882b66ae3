"""Repost a stored video: failed posts, more accounts, or posts that a person says were never published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from mediaposter.domain.errors import InvalidRequest, NotAllowedInState, NotStarted, VersionConflict
from mediaposter.events import PostEvent
from mediaposter.publishing.targets import TARGETS_MAX, PublishTarget
from mediaposter.stores.keys import Scope, name_account
from mediaposter.stores.posts import STATES_FOR_A_PERSON, Post, PostState, PostStore
from mediaposter.stores.table import Change, Create, Key, Replace
from mediaposter.stores.trail import TrailEntry, TrailType
from mediaposter.stores.video_record import Video
from mediaposter.stores.video_stages import Stage
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.posting.check_post import emit_end
from mediaposter.usecases.posting.default_disclosure import add_default_disclosure
from mediaposter.usecases.posting.plan_posts import plan_posts
from mediaposter.usecases.posting.reconcile import SWEEP_GRACE, Publishers, find_copies
from mediaposter.usecases.steps import PostReference
from mediaposter.usecases.videos.resume import Workflow
from mediaposter.wire.caller import Caller
from mediaposter.wire.post_requests import PublishAgainRequest, ResolveRequest

Clock = Callable[[], datetime]
# States that a caller may repeat without resolving: the post certainly is not public.
STATES_TO_REPEAT = (PostState.FAILED, PostState.CANCELLED)


class RepeatPosts:
    """Repost a stored video without rendering it again."""

    def __init__(
        self,
        *,
        videos: VideoStore,
        posts: PostStore,
        workflow: Workflow,
        publishers: Publishers,
        is_approval_default: bool,
        validate_accounts: Callable[[Sequence[PublishTarget]], list[str]],
        send_event: Callable[[PostEvent], None],
        clock: Clock,
        default_disclosure: str = "",
    ) -> None:
        self._default_disclosure = default_disclosure
        self._videos = videos
        self._posts = posts
        self._workflow = workflow
        self._publishers = publishers
        self._is_approval_default = is_approval_default
        self._preflight = validate_accounts
        self._send_event = send_event
        self._clock = clock

    def __call__(self, video_id: str, request: PublishAgainRequest, *, caller: Caller) -> tuple[Video, list[Post]]:
        """Post to the given targets, or repeat failed posts; a post that is or may be public is never repeated.

        Raises:
            Forbidden: the caller may not publish, or not to one of the accounts; or the video or this stack needs an
                approval, and the caller may not approve.
            NotFound: there is no such video.
            NotAllowedInState: it is not stored, it is being posted, or an account has it or may have it.
            InvalidRequest: a target would be refused, or there is nothing to send.
            NotStarted: the posts are recorded; asking again starts them.
        """
        video = self._find(video_id, caller)
        caller.require_accounts(request.publish, field="publish")  # guard: accounts reposted
        request = add_default_disclosure(request, self._default_disclosure)
        needs_approver = video.approval_hours is not None or self._is_approval_default  # guard: default repost
        if request.publish and needs_approver:
            # A video that was rejected, never decided or never asked about needs a caller that may approve.
            caller.require(Scope.APPROVE)  # guard: scope approve repost
        known = {post.key: post for post in self._posts.list(video)}
        now = self._clock()
        waiting = [post for post in known.values() if post.state is PostState.PENDING]
        if video.stage is Stage.PUBLISHING and waiting:  # guard: posts written
            return self._start_again(video, waiting, request, now)
        if video.stage is not Stage.DONE or video.stored is None:  # guard: kept and done
            raise NotAllowedInState(
                f"{video_id} is {video.status} at {video.stage}: it can be posted again only when it is stored and "
                "not being posted. Nothing was changed."
            )
        if request.publish:
            self._preflight(request.publish)
            wanted = plan_posts(request, video, candidates=(), now=now).posts
            refuse_what_may_be_public(wanted, known)  # guard: account once
        else:
            failed = [post for post in known.values() if post.state is PostState.FAILED]
            if not failed:
                raise InvalidRequest(
                    "None of its posts failed: name the targets in publish.", param="publish", code="nothing_to_post"
                )
            caller.require_accounts([post.target for post in failed])  # guard: accounts retried
            # The maximum of one execution: asking again sends the next posts.
            wanted = [begin_anew(post, now=now) for post in failed[:TARGETS_MAX]]
        return self._post(video, wanted, known, now, caller)

    def resolve(
        self, video_id: str, post_id: str, request: ResolveRequest, *, caller: Caller
    ) -> tuple[Video, list[Post]]:
        """Record a person's answer for a post whose outcome is unknown.

        Raises:
            Forbidden: the caller may not publish, or not to the account of the post.
            NotFound: there is no such post.
            NotAllowedInState: its state needs no person, the video is being posted, or the publisher lists the post
                that shall be sent again.
            PublisherError: the publisher could not be reached; ask again.
            WriteConflict: the video or its post was changed meanwhile; nothing was changed here.
            NotStarted: the post is recorded; requesting its posts again starts it.
        """
        video = self._find(video_id, caller)
        post = self._posts.get(video, post_id)
        caller.require_accounts([post.target])  # guard: accounts resolved
        now = self._clock()
        if post.state not in STATES_FOR_A_PERSON:  # guard: for a person
            raise NotAllowedInState(
                f"The post on {post.target.platform} is {post.state}: only a parked or unknown post can be resolved. "
                "Nothing was changed."
            )
        if request.outcome == "posted":
            posted = self._posts.advance(
                post,
                PostState.PUBLISHED,
                now=now,
                by=caller.actor,
                public_url=request.url,
                error_code=None,
                error_message=None,
            )
            emit_end(self._videos, self._posts, posted, send_event=self._send_event)
            return video, self._posts.list(video)
        if video.stage is not Stage.DONE:  # guard: nothing under way
            raise NotAllowedInState(f"{video_id} is {video.stage}: try again when it is done. Nothing was changed.")
        self._refuse_what_is_listed(post, now)
        # Only the version that was checked: another request may have said meanwhile that the post is public.
        return self._post(video, [begin_anew(post, now=now)], {post.key: post}, now, caller)

    def _refuse_what_is_listed(self, post: Post, now: datetime) -> None:
        """Check the publisher once more before a post is repeated: a list may have lagged, or the person be wrong."""
        copies = find_copies(self._publishers(), post, now=now)
        if copies.published or copies.scheduled or copies.waiting:
            where = copies.published[0].public_url if copies.published else "it still waits for its time"
            raise NotAllowedInState(
                f"The publisher lists this same post on {post.target.platform} ({where}): it was not sent again. Say "
                "that it was posted, or cancel it at the publisher first."
            )

    def _find(self, video_id: str, caller: Caller) -> Video:
        caller.require(Scope.PUBLISH)
        return self._videos.get(video_id, caller=caller)

    def _post(
        self, video: Video, wanted: Sequence[Post], known: Mapping[Key, Post], now: datetime, caller: Caller
    ) -> tuple[Video, list[Post]]:
        """Record the posts to send, all or nothing, then start their execution."""
        changes: list[Change] = []
        for post in wanted:
            # If the start fails, the sweep starts it.
            planned = post.copy_with(updated_at=now, due_at=now + SWEEP_GRACE)
            changes.append(plan_write(planned, known))
        video = self._videos.advance_with(
            video,
            Stage.PUBLISHING,
            now=now,
            together=changes,
            launch=video.launch + 1,
            publishing_since=now,
            noted=TrailEntry(at=now, type=TrailType.REPOSTED, by=caller.actor, posts=name_posts(wanted)),
        )
        self._start(video, wanted)
        return video, self._posts.list(video)

    def _start(self, video: Video, posts: Sequence[Post]) -> None:
        references = [PostReference(video_id=video.id, post_id=post.target.post_id) for post in posts]
        try:
            self._workflow.start(video.id, video.launch, references)
        except NotStarted as error:
            raise NotStarted(
                f"The posts of {video.id} are recorded, but their execution could not be started. Nothing was sent. "
                "Post again without targets; or wait, they start in some minutes."
            ) from error

    def _start_again(
        self, video: Video, waiting: Sequence[Post], request: PublishAgainRequest, now: datetime
    ) -> tuple[Video, list[Post]]:
        """Start the recorded posts of an earlier request that no execution carries; running ones stay as they are."""
        planned = {post.key: (post.target, post.text) for post in waiting}
        wanted = plan_posts(request, video, candidates=(), now=now).posts
        if any(planned.get(post.key) != (post.target, post.text) for post in wanted):
            raise NotAllowedInState(
                f"{video.id} is being posted: name more targets when it is done. Nothing was changed."
            )
        # If its execution has ended, this starts nothing: then the sweep checks it, and starts another.
        self._start(video, waiting[:TARGETS_MAX])
        with suppress(VersionConflict):
            video = self._videos.note(video, now=now, due_at=now)
        return video, self._posts.list(video)


def name_posts(posts: Sequence[Post]) -> tuple[str, ...]:
    """Name posts for a trail, as instagram:907."""
    return tuple(name_account(post.target.platform, post.target.account_id) for post in posts)


def plan_write(post: Post, known: Mapping[Key, Post]) -> Change:
    """Plan the write of a post: a new one, or one in place of what was read, if nothing has changed it since."""
    before = known.get(post.key)
    if before is None:
        return Create(post)
    anew = post.copy_with(version=before.version + 1, trail=before.trail)
    return Replace(anew, before.version, {"state": [before.state]})  # guard: one request


def begin_anew(post: Post, *, now: datetime, version: int = 1) -> Post:
    """Reset a post to its plan for a new try, with a new upload that distinguishes it from the earlier try."""
    return Post(
        version=version,
        video_id=post.video_id,
        owner=post.owner,
        target=post.target,
        text=post.text,
        delivery=post.delivery,
        created_at=post.created_at,
        updated_at=now,
        trail=post.trail,
    )


def refuse_what_may_be_public(wanted: Sequence[Post], known: Mapping[Key, Post]) -> None:
    """Refuse posts to accounts that have the video, or may have it.

    Raises:
        InvalidRequest: names the first of them.
    """
    for index, post in enumerate(wanted):
        before = known.get(post.key)
        if before is not None and before.state not in STATES_TO_REPEAT:
            raise InvalidRequest(
                f"publish[{index}]: the post on {post.target.platform} account {post.target.account_id} is "
                f"{before.state}; an account takes a video once. Nothing was changed.",
                param=f"publish[{index}].account_id",
                code="already_posted",
            )

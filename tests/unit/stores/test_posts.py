"""The ledger of posts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from mediaposter.domain.errors import ErrorCode, VersionConflict
from mediaposter.publishing.targets import PublishTarget
from mediaposter.stores.posts import EVENT_GRACE, STATES_TO_TELL, Post, PostState, PostStore
from mediaposter.stores.videos import VideoStore
from tests.builders import NOW, VIDEO_ID, a_post, a_target, a_video
from tests.fakes.table import InMemoryTable

LATER = NOW + timedelta(minutes=1)
POST_ID = "twitter#101"

# What becomes of an end, if anything: a person has it sent again, or says that it was posted.
AFTER_ENDS = {
    PostState.PUBLISHED: (),
    PostState.FAILED: (PostState.PENDING,),
    PostState.CANCELLED: (PostState.PENDING,),
    PostState.PARKED: (PostState.PENDING, PostState.PUBLISHED),
    PostState.UNKNOWN: (PostState.PENDING, PostState.PUBLISHED),
}


@pytest.fixture
def table() -> InMemoryTable:
    return InMemoryTable()


@pytest.fixture
def post_store(table: InMemoryTable) -> PostStore:
    return PostStore(table)


@pytest.mark.parametrize(
    "target",
    [
        a_target("twitter"),
        a_target("instagram", collaborators=["ada", "grace"], share_to_feed=False),
        a_target("facebook"),
        a_target("linkedin"),
        a_target("tiktok", is_draft=True),
        a_target("youtube", playlist_ids=["PL1"]),
        a_target("pinterest"),
        a_target("threads"),
        a_target("bluesky"),
    ],
    ids=lambda target: target.platform,
)
def test_a_post_on_any_network_is_read_as_it_was_kept(
    post_store: PostStore, table: InMemoryTable, target: PublishTarget
) -> None:
    post = a_post(
        target,
        state=PostState.FAILED,
        lease_expires_at=LATER,
        media_url="https://media.example/1/video.mp4",
        submission_id="submission-1",
        submitted_at=NOW,
        scheduled_time=LATER,
        public_url="https://network.example/1",
        error_code=ErrorCode.PROVIDER_ERROR,
        error_message="no",
    )
    table.create([post])

    assert post_store.get_unchecked(VIDEO_ID, post.target.post_id) == post


def test_a_post_that_was_planned_under_older_rules_is_read_and_goes_on(
    post_store: PostStore, table: InMemoryTable
) -> None:
    post = a_post(a_target("threads"))
    table.create([post])
    table.items[post.key]["target"]["text"] = "é" * 400

    read = post_store.get_unchecked(VIDEO_ID, "threads#101")

    assert read.target.text == "é" * 400
    assert post_store.advance(read, PostState.CALLING, now=LATER).state is PostState.CALLING


def test_posts_are_listed_by_network_and_account_without_their_video(
    post_store: PostStore, table: InMemoryTable
) -> None:
    posts = [a_post(a_target("twitter", "2")), a_post(a_target("twitter", "1")), a_post(a_target("bluesky", "3"))]
    VideoStore(table).create(a_video(), posts)
    table.create([a_post(video_id="video_2")])

    assert [post.target.post_id for post in post_store.list_unchecked(VIDEO_ID)] == [
        "bluesky#3",
        "twitter#1",
        "twitter#2",
    ]


ALLOWED = {
    (PostState.PENDING, PostState.CALLING),
    (PostState.PENDING, PostState.FAILED),
    (PostState.PENDING, PostState.CANCELLED),
    (PostState.CALLING, PostState.PENDING),
    (PostState.CALLING, PostState.SUBMITTED),
    (PostState.CALLING, PostState.SCHEDULED),
    (PostState.CALLING, PostState.PUBLISHED),
    (PostState.CALLING, PostState.FAILED),
    (PostState.CALLING, PostState.IN_DOUBT),
    (PostState.SUBMITTED, PostState.SCHEDULED),
    (PostState.SUBMITTED, PostState.PUBLISHED),
    (PostState.SUBMITTED, PostState.FAILED),
    (PostState.SUBMITTED, PostState.UNKNOWN),
    (PostState.SCHEDULED, PostState.SCHEDULED),  # at another time
    (PostState.SCHEDULED, PostState.PUBLISHED),
    (PostState.SCHEDULED, PostState.FAILED),
    (PostState.SCHEDULED, PostState.UNKNOWN),
    (PostState.SCHEDULED, PostState.CANCELLED),
    (PostState.IN_DOUBT, PostState.SCHEDULED),
    (PostState.IN_DOUBT, PostState.PUBLISHED),
    (PostState.IN_DOUBT, PostState.FAILED),
    (PostState.IN_DOUBT, PostState.PARKED),
    *((end, after) for end, states in AFTER_ENDS.items() for after in states),
}


@pytest.mark.parametrize("after", PostState)
@pytest.mark.parametrize("before", PostState)
def test_only_these_transitions_can_be_made(
    post_store: PostStore, table: InMemoryTable, before: PostState, after: PostState
) -> None:
    table.create([a_post(state=before)])

    if (before, after) in ALLOWED:
        assert post_store.advance(a_post(state=before), after, now=LATER).state is after
    else:
        with pytest.raises(VersionConflict, match=rf"is {before} and cannot become {after}"):
            post_store.advance(a_post(state=before), after, now=LATER)
        assert post_store.get_unchecked(VIDEO_ID, POST_ID).version == 1


@pytest.mark.parametrize(
    ("before", "after", "due_at"),
    [
        (PostState.SUBMITTED, PostState.PUBLISHED, LATER + EVENT_GRACE),
        (PostState.SUBMITTED, PostState.FAILED, LATER + EVENT_GRACE),
        (PostState.SUBMITTED, PostState.UNKNOWN, LATER + EVENT_GRACE),
        (PostState.IN_DOUBT, PostState.PARKED, LATER + EVENT_GRACE),
        (PostState.SCHEDULED, PostState.CANCELLED, None),
        (PostState.CALLING, PostState.PENDING, None),
    ],
)
def test_what_was_said_of_a_call_is_over_and_its_end_is_still_to_be_told(
    post_store: PostStore, table: InMemoryTable, before: PostState, after: PostState, due_at: datetime | None
) -> None:
    call: dict[str, Any] = {"lease_expires_at": NOW, "due_at": NOW, "place_for": "post", "place_at": NOW}
    table.create([a_post(state=before, media_url="https://media.example/1", refusals=2, is_told=True, **call)])

    post = post_store.advance(post_store.get_unchecked(VIDEO_ID, POST_ID), after, now=LATER)

    assert (post.lease_expires_at, post.place_for, post.place_at, post.is_told) == (None, None, None, False)
    assert (post.due_at, post.media_url, post.refusals) == (due_at, "https://media.example/1", 2)
    assert ("due" in table.items[post.key]) == (due_at is not None)
    assert post_store.get_unchecked(VIDEO_ID, POST_ID) == post


def test_a_note_changes_neither_the_state_nor_its_time(post_store: PostStore, table: InMemoryTable) -> None:
    table.create([a_post(state=PostState.IN_DOUBT, due_at=NOW, lease_expires_at=NOW)])

    post = post_store.note(post_store.get_unchecked(VIDEO_ID, POST_ID), looks=1)

    assert post == a_post(state=PostState.IN_DOUBT, due_at=NOW, lease_expires_at=NOW, looks=1, version=2)
    assert post_store.get_unchecked(VIDEO_ID, POST_ID) == post


def test_of_two_notes_of_one_version_the_second_is_a_conflict(post_store: PostStore, table: InMemoryTable) -> None:
    table.create([a_post()])
    first, second = post_store.get_unchecked(VIDEO_ID, POST_ID), post_store.get_unchecked(VIDEO_ID, POST_ID)
    post_store.note(first, media_url="https://media.example/1")

    with pytest.raises(VersionConflict, match="changed meanwhile"):
        post_store.note(second, media_url="https://media.example/2")


def test_a_post_the_table_knows_further_on_is_not_written_over(post_store: PostStore, table: InMemoryTable) -> None:
    table.create([a_post(state=PostState.PUBLISHED)])
    mistaken = a_post()  # of the same version, and as if it were pending

    with pytest.raises(VersionConflict, match="changed meanwhile"):
        post_store.advance(mistaken, PostState.CALLING, now=LATER)
    with pytest.raises(VersionConflict, match="changed meanwhile"):
        post_store.note(mistaken, media_url="https://media.example/1")

    assert post_store.get_unchecked(VIDEO_ID, POST_ID) == a_post(state=PostState.PUBLISHED)


class PostTransitions(RuleBasedStateMachine):
    """Any writers, with any copies they ever read, in any order."""

    copies = Bundle[Post]("copies")

    def __init__(self) -> None:
        super().__init__()
        self.table = InMemoryTable()
        self.post_store = PostStore(self.table)
        self.previous: Post | None = None

    @property
    def kept(self) -> Post:
        return self.post_store.get_unchecked(VIDEO_ID, POST_ID)

    @initialize(target=copies)
    def create(self) -> Post:
        self.table.create([a_post()])
        return self.kept

    @rule(target=copies)
    def read(self) -> Post:
        return self.kept

    @rule(target=copies, copy=copies, state=st.sampled_from(PostState))
    def advance(self, copy: Post, state: PostState) -> Post:
        before = self.kept
        try:
            after = self.post_store.advance(copy, state, now=LATER)
        except VersionConflict:
            assert self.kept == before
            return before
        assert copy == before, "a stale writer won"
        assert (after.version, after.updated_at) == (before.version + 1, LATER)
        assert self.kept == after
        return after

    @invariant()
    def the_version_only_rises_and_the_ends_stay(self) -> None:
        kept = self.kept
        if self.previous is not None:
            assert kept.version > self.previous.version or kept == self.previous
            before = self.previous.state
            assert kept == self.previous or before not in AFTER_ENDS or kept.state in AFTER_ENDS[before]
            # Only what was never sent may be sent.
            assert kept.state is not PostState.CALLING or before in (PostState.PENDING, PostState.CALLING)
            # Whether it was taken is known of a call that was refused, or told by a person: never of one in doubt.
            assert kept.state is not PostState.PENDING or before in (
                PostState.PENDING,
                PostState.CALLING,
                *AFTER_ENDS,
            )
        self.previous = kept

    @invariant()
    def an_end_is_due_until_it_is_told(self) -> None:
        assert (self.kept.due_at is not None) == (self.kept.state in STATES_TO_TELL)


TestPostTransitions = PostTransitions.TestCase
TestPostTransitions.settings = settings(max_examples=25, stateful_step_count=25)

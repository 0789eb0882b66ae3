"""Looking for a post that was sent and not answered: it is adopted, or left to a person, and never sent again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mediaposter.domain.errors import ConfigurationError, ErrorCode, PublisherError
from mediaposter.publishing.publisher_interface import ListedPost, PostStatus
from mediaposter.publishing.targets import PublishTarget
from mediaposter.stores.posts import Post, PostState
from mediaposter.usecases.posting.reconcile import GIVE_UP_AFTER, RECONCILE_AFTER_SECONDS, ReconcilePost, find_copies
from tests.builders import NOW, a_target
from tests.fakes.world import World
from tests.unit.usecases.posting import (
    FAULT,
    MEDIA_URL,
    NO_KEY,
    TOMORROW,
    a_listed_post,
    after,
    kept_world,
    post_of,
    take,
)

LISTED_URL = "https://network.example/listed-1"
FAILED = a_listed_post(listed_id="failed-1", status=PostStatus.FAILED, public_url=None, error_message="No such page.")


def world_in_doubt(*, looks: int = 0, **post: Any) -> World:
    """Build a world with a post in doubt, at the time of its next look."""
    fields = {"state": PostState.IN_DOUBT, "media_url": MEDIA_URL, "called_at": NOW, "in_doubt_since": NOW}
    world = kept_world(**{**fields, "looks": looks, "due_at": after(seconds=30), "error_message": "No answer.", **post})
    world.clock.advance(RECONCILE_AFTER_SECONDS[looks])
    return world


def look(world: World) -> Post:
    """Look once."""
    use_case = ReconcilePost(
        posts=world.post_store,
        publishers=world.give_publisher,
        count_metric=world.metrics.append,
        clock=world.clock,
    )
    post = use_case(post_of(world))
    assert post == post_of(world), "what it answers is what is kept"
    return post


# When


def test_a_post_is_looked_for_after_30_120_and_600_seconds() -> None:
    world = world_in_doubt()

    for looks, next_look in ((1, 120), (2, 600)):
        post = look(world)
        assert (post.state, post.looks, post.due_at) == (PostState.IN_DOUBT, looks, after(seconds=next_look))
        world.clock.now = NOW + timedelta(seconds=next_look)
    assert look(world).state is PostState.PARKED


# What is found


def test_a_scheduled_post_is_adopted_with_its_time_and_followed() -> None:
    world = world_in_doubt()
    take(world, scheduled_time=TOMORROW)

    post = look(world)

    assert (post.state, post.scheduled_time, post.due_at) == (PostState.SCHEDULED, TOMORROW, after(days=1))
    assert (post.schedule_id, post.is_verified, post.error_message) == ("schedule-submission-1", True, None)


@pytest.mark.parametrize(
    ("said", "kept"), [("No such page.", "No such page."), (None, "The network refused the post and gave no reason.")]
)
def test_a_failed_post_has_failed_in_the_words_of_its_network(said: str | None, kept: str) -> None:
    world = world_in_doubt()
    world.publisher.looks = [[FAILED.model_copy(update={"error_message": said})]]

    post = look(world)

    assert (post.state, post.error_code, post.error_message) == (PostState.FAILED, ErrorCode.PROVIDER_ERROR, kept)
    assert world.metrics == ["PostsFailed"]


@pytest.mark.parametrize(
    ("media_urls", "public_url", "named"),
    [
        (("https://media.example/2/video_1-twitter-101.mp4",), LISTED_URL, LISTED_URL),
        ((), None, "2026-12-01T12:00:00Z"),
    ],
    ids=["with an address", "without"],
)
def test_a_post_is_known_by_its_copy_and_not_by_its_words(
    media_urls: tuple[str, ...], public_url: str | None, named: str
) -> None:
    world = world_in_doubt(looks=2)
    world.publisher.looks = [[a_listed_post(media_urls=media_urls, public_url=public_url)]]

    post = look(world)

    assert post.state is PostState.PARKED
    assert post.error_message == (
        "It was sent, the publisher did not answer, and its lists do not show it. They show a post with the same text "
        f"and other media ({named}), which proves nothing. It was not sent again. Check the network, then tell us with "
        "POST …/resolve."
    )


@pytest.mark.parametrize("other", [{"account_id": "102"}, {"platform": "threads"}], ids=["account", "network"])
@pytest.mark.parametrize("status", PostStatus)
def test_the_same_media_elsewhere_is_another_post(other: dict[str, str], status: PostStatus) -> None:
    world = world_in_doubt(looks=2)
    world.publisher.looks = [[a_listed_post(status=status, **other)]]

    assert look(world).state is PostState.PARKED


@pytest.mark.parametrize("other", [a_target(account_id="102"), a_target("threads")], ids=["account", "network"])
@pytest.mark.parametrize("is_ours_taken", [True, False])
def test_what_its_owner_scheduled_elsewhere_with_the_same_media_is_neither_adopted_nor_taken_away(
    other: PublishTarget, is_ours_taken: bool
) -> None:
    world = world_in_doubt(looks=2)
    take(world, target=other, scheduled_time=TOMORROW)
    if is_ours_taken:
        take(world, scheduled_time=TOMORROW + timedelta(hours=1))

    post = look(world)

    assert post.state is (PostState.SCHEDULED if is_ours_taken else PostState.PARKED)
    assert post.schedule_id == ("schedule-submission-2" if is_ours_taken else None)
    assert next(iter(world.publisher.posts.values())).target == other
    assert world.metrics == ([] if is_ours_taken else ["PostsInDoubt"])


def test_a_schedule_that_nothing_shows_to_be_of_this_account_is_neither_adopted_nor_taken_away() -> None:
    world = world_in_doubt(looks=2)
    take(world, scheduled_time=TOMORROW)
    take(world, scheduled_time=TOMORROW)
    list_schedules = world.publisher.list_schedules
    world.publisher.list_schedules = lambda: [  # type: ignore[method-assign]  # as one whose list names no account
        item.model_copy(update={"account_id": None}) for item in list_schedules()
    ]

    assert look(world).state is PostState.PARKED
    assert len(world.publisher.posts) == 2


# More than one


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        ([{}, {"listed_id": "listed-2", "public_url": f"{LISTED_URL}2"}], [LISTED_URL, f"{LISTED_URL}2"]),
        ([{"public_url": None}, {"listed_id": "listed-2"}], ["listed-1", LISTED_URL]),
        ([{}, {}], []),
    ],
    ids=["by their addresses", "by an id", "what is listed twice is one"],
)
def test_two_public_copies_are_told_of(listed: list[dict[str, Any]], told: list[str]) -> None:
    world = world_in_doubt()
    world.publisher.looks = [[a_listed_post(**changes) for changes in listed]]

    post = look(world)

    assert post.state is PostState.PUBLISHED
    assert post.error_message == (f"The publisher made 2 posts of one call: {', '.join(told)}." if told else None)


def test_beside_a_public_copy_those_still_to_come_are_taken_away() -> None:
    world = world_in_doubt()
    take(world, scheduled_time=TOMORROW)
    take(world)

    post = look(world)

    assert (post.state, post.public_url) == (PostState.PUBLISHED, "https://network.example/submission-2")
    assert list(world.publisher.posts) == ["submission-2"]
    assert world.metrics == ["SurplusPostsCancelled"]


def test_a_post_that_is_listed_and_has_not_ended_is_not_taken_for_one_that_failed() -> None:
    world = world_in_doubt(looks=2)
    world.publisher.looks = [[a_listed_post(status=PostStatus.IN_PROGRESS, public_url=None)]]

    post = look(world)

    assert post.state is PostState.PARKED
    assert "other media" not in (post.error_message or "")


@pytest.mark.parametrize("others", [[], [FAILED]], ids=["alone", "beside one that failed"])
def test_a_post_that_only_the_list_of_posts_shows_as_scheduled_is_adopted_with_its_time(
    others: list[ListedPost],
) -> None:
    world = world_in_doubt(looks=2)
    world.publisher.looks = [[*others, a_listed_post(status=PostStatus.SCHEDULED, post_time=TOMORROW, public_url=None)]]

    post = look(world)

    assert (post.state, post.scheduled_time, post.due_at) == (PostState.SCHEDULED, TOMORROW, after(days=1))
    assert (post.schedule_id, post.is_verified, post.error_message) == (None, False, None)


# Where it is looked for


def test_both_lists_are_asked_around_the_call_however_long_ago_it_was_planned() -> None:
    world = world_in_doubt(created_at=NOW - timedelta(days=1))
    for minutes in (-5, 5, -6, -60):
        take(world, taken_at=NOW + timedelta(minutes=minutes))
    world.clock.advance(600)

    copies = find_copies(world.publisher, post_of(world), now=NOW)

    assert [item.listed_id for item in copies.published] == ["published-submission-1", "published-submission-2"]


# Looks that are not answered


@pytest.mark.parametrize(("looks", "missing_key"), [([FAULT], None), ([], NO_KEY)], ids=["fault", "no key"])
def test_a_look_that_is_not_answered_does_not_count(
    looks: list[PublisherError], missing_key: ConfigurationError | None
) -> None:
    world = world_in_doubt(looks=2)
    world.publisher.looks = [*looks]
    world.missing_key = missing_key

    post = look(world)

    assert (post.state, post.looks, post.due_at, world.metrics) == (PostState.IN_DOUBT, 2, after(seconds=600), [])


def test_a_publisher_that_cannot_be_asked_for_a_day_leaves_the_post_to_a_person() -> None:
    world = world_in_doubt()
    world.clock.now = NOW + GIVE_UP_AFTER - timedelta(seconds=1)
    world.publisher.looks = [FAULT, FAULT]
    assert look(world).state is PostState.IN_DOUBT

    world.clock.advance(1)
    post = look(world)

    assert (post.state, world.metrics) == (PostState.PARKED, ["PostsInDoubt"])
    assert post.error_message == (
        "The publisher could not be reached for a day: Blotato could not be reached. It was not sent again. Check "
        "the network, then tell us with POST …/resolve."
    )

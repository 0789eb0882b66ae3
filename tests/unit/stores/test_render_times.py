"""What is learned of a model's render times."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaposter.stores.render_times import (
    DEVIATION_MAX,
    DEVIATION_MIN,
    RenderTimes,
    RenderTimeStore,
    guess_render_times,
    render_times_key,
)
from mediaposter.stores.table import Key
from tests.fakes.table import InMemoryTable

MODEL = "sora-2"
MOMENTS = st.floats(min_value=0, max_value=1e6)


class RacingTable(InMemoryTable):
    """A table to which another worker writes between this one's read and its write."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], None] | None = None

    def get(self, key: Key) -> dict[str, Any]:
        try:
            return super().get(key)
        finally:
            meanwhile, self.meanwhile = self.meanwhile, None
            if meanwhile is not None:
                meanwhile()


@pytest.fixture
def table() -> RacingTable:
    return RacingTable()


@pytest.fixture
def video_store(table: RacingTable) -> RenderTimeStore:
    return RenderTimeStore(table)


def get(video_store: RenderTimeStore) -> RenderTimes:
    return video_store.get(MODEL, expected_seconds=90)


def learn(video_store: RenderTimeStore, seconds: float) -> None:
    video_store.learn(MODEL, expected_seconds=90, running_seconds=seconds - 1, done_seconds=seconds + 1)


def some_times(*, median_seconds: float = 90, deviation: float = 0.35) -> RenderTimes:
    return RenderTimes(
        model=MODEL,
        log_mean_micros=round(math.log(median_seconds) * 1_000_000),
        log_variance_micros=round(deviation**2 * 1_000_000),
    )


def median_of(times: RenderTimes) -> float:
    return math.exp(times.log_mean)


def follow(times: RenderTimes, *, median_seconds: float, renders: int) -> list[RenderTimes]:
    """Learn renders that are asked about after 70 s, and every 10 s from then on."""
    chance = Random(1)
    followed = []
    for _ in range(renders):
        seconds = median_seconds * math.exp(chance.gauss(0, 0.35))
        questions = max(math.ceil((seconds - 70) / 10), 0)
        running_seconds = 60 + 10 * questions if questions else 0
        times = times.learn(running_seconds=running_seconds, done_seconds=70 + 10 * questions)
        followed.append(times)
    return followed


def test_a_model_that_never_rendered_is_expected_to_take_what_the_catalog_says(
    video_store: RenderTimeStore, table: RacingTable
) -> None:
    assert median_of(get(video_store)) == pytest.approx(90)
    assert not table.items


def test_each_render_is_added_to_those_before_of_its_model(video_store: RenderTimeStore, table: RacingTable) -> None:
    guess = guess_render_times(MODEL, expected_seconds=90)
    learn(video_store, 180)
    once = get(video_store)
    learn(video_store, 180)

    assert list(table.items) == [render_times_key(MODEL)] == [Key("MODEL#sora-2", "RENDERS")]
    assert once == guess.learn(running_seconds=179, done_seconds=181)
    assert get(video_store) == once.learn(running_seconds=179, done_seconds=181)
    assert get(video_store).version == 2
    assert median_of(video_store.get("gen4.5", expected_seconds=60)) == pytest.approx(60)


@pytest.mark.parametrize("renders_before", [0, 1])
def test_a_render_learned_at_the_same_moment_as_another_is_dropped(
    video_store: RenderTimeStore, table: RacingTable, renders_before: int
) -> None:
    for _ in range(renders_before):
        learn(video_store, 90)
    before = get(video_store)
    table.meanwhile = lambda: learn(video_store, 180)

    learn(video_store, 20)

    assert get(video_store) == before.learn(running_seconds=179, done_seconds=181)


def test_a_model_that_becomes_twice_as_slow_or_fast_is_followed_within_forty_renders() -> None:
    *_, last = follow(some_times(median_seconds=90), median_seconds=180, renders=40)
    assert median_of(last) == pytest.approx(180, rel=0.15)
    # Nearly all of them are done at the first question, so that nothing tells how much sooner.
    *_, last = follow(some_times(median_seconds=90), median_seconds=45, renders=40)

    assert median_of(last) < 60


def test_what_is_learned_between_questions_is_neither_too_short_nor_too_long() -> None:
    # 24 % are done at the first question: a plain midpoint would take those for 35 s.
    followed = follow(some_times(), median_seconds=90, renders=2000)

    assert fmean(times.log_mean for times in followed) == pytest.approx(math.log(90), abs=0.02)
    assert fmean(times.log_deviation for times in followed) == pytest.approx(0.35, abs=0.02)


def test_a_time_known_to_the_second_counts_as_that_second() -> None:
    times = some_times(median_seconds=90, deviation=0.35).learn(running_seconds=150, done_seconds=150)

    distance = math.log(150 / 90)
    assert times.log_mean == pytest.approx(math.log(90) + distance / 16, abs=1e-5)
    assert times.log_deviation**2 == pytest.approx(15 / 16 * (0.35**2 + distance**2 / 16), abs=1e-5)


def test_a_render_of_which_nothing_is_known_teaches_nothing() -> None:
    times = some_times()

    learned = times.learn(running_seconds=0, done_seconds=43_200)

    assert (learned.log_mean, learned.log_deviation) == pytest.approx((times.log_mean, times.log_deviation), rel=0.01)


@pytest.mark.parametrize("seconds", [1, 43_000])
def test_one_outlier_changes_little(seconds: float) -> None:
    times = some_times().learn(running_seconds=seconds - 1, done_seconds=seconds)

    assert median_of(times) == pytest.approx(90, rel=0.1)
    assert times.log_deviation < 0.35 * 1.25


@given(st.lists(st.tuples(MOMENTS, MOMENTS), max_size=100))
def test_no_renders_make_the_times_unusable(renders: list[tuple[float, float]]) -> None:
    times = some_times()
    for running_seconds, done_seconds in renders:
        times = times.learn(running_seconds=running_seconds, done_seconds=done_seconds)

        assert math.isfinite(median_of(times))
        assert DEVIATION_MIN - 1e-3 <= times.log_deviation <= DEVIATION_MAX + 1e-3


def test_the_doubt_stays_within_bounds() -> None:
    times = some_times()
    for _ in range(500):
        times = times.learn(running_seconds=90, done_seconds=90)
    assert times.log_deviation == pytest.approx(DEVIATION_MIN, abs=1e-3)
    times = some_times()
    for _ in range(50):
        times = times.learn(running_seconds=0, done_seconds=1)
        times = times.learn(running_seconds=43_199, done_seconds=43_200)

    assert times.log_deviation == pytest.approx(DEVIATION_MAX, abs=1e-3)

"""When a provider is asked whether a render is done."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaposter.stores.render_times import DEVIATION_MAX, DEVIATION_MIN, RenderTimes
from mediaposter.usecases.generation.check_generation import POLLS_MAX
from mediaposter.usecases.generation.pacing import (
    FIRST_CHANCE,
    NEXT_CHANCE,
    PROGRESS_MARGIN,
    choose_wait_seconds,
)

DEADLINE_SECONDS = 43_200

ELAPSED = st.floats(min_value=0, max_value=DEADLINE_SECONDS)
PROGRESS = st.none() | st.integers(min_value=0, max_value=100)


def some_times(*, median_seconds: float = 200, deviation: float = 0.35) -> RenderTimes:
    return RenderTimes(
        model="sora-2",
        log_mean_micros=round(math.log(median_seconds) * 1_000_000),
        log_variance_micros=round(deviation**2 * 1_000_000),
    )


TIMES = st.builds(
    some_times,
    median_seconds=st.floats(min_value=0.1, max_value=1e6),
    deviation=st.floats(min_value=DEVIATION_MIN, max_value=DEVIATION_MAX),
)


def chance_of_ending(times: RenderTimes, *, until: float, after: float = 0) -> float:
    """Tell how probable it is that a render still running at one moment is done by another."""
    distribution = NormalDist(times.log_mean, times.log_deviation)
    over = distribution.cdf(math.log(after)) if after else 0
    return (distribution.cdf(math.log(until)) - over) / (1 - over)


@pytest.mark.parametrize(
    ("median_seconds", "elapsed_seconds", "chance"),
    [
        (60, 0, FIRST_CHANCE),
        (200, 0, FIRST_CHANCE),
        (3600, 0, FIRST_CHANCE),
        (200, 140, NEXT_CHANCE),
        (200, 180, NEXT_CHANCE),
        (200, 200, NEXT_CHANCE),
    ],
)
def test_the_first_question_and_each_later_one_has_its_chance_to_find_the_render_done(
    median_seconds: float, elapsed_seconds: float, chance: float
) -> None:
    times = some_times(median_seconds=median_seconds)

    done_seconds = elapsed_seconds + choose_wait_seconds(times, elapsed_seconds=elapsed_seconds)

    assert chance_of_ending(times, after=elapsed_seconds, until=done_seconds - 1) < chance
    assert chance_of_ending(times, after=elapsed_seconds, until=done_seconds) >= chance


@pytest.mark.parametrize("progress", [None, 99])
def test_a_provider_is_never_asked_sooner_than_it_wants(progress: int | None) -> None:
    wait_seconds = choose_wait_seconds(some_times(), elapsed_seconds=200, progress=progress, hint_seconds=45.2)

    assert wait_seconds == 46


@given(times=TIMES, elapsed_seconds=ELAPSED, progress=PROGRESS)
def test_no_progress_moves_a_question_by_more_than_half_a_wait(
    times: RenderTimes, elapsed_seconds: float, progress: int | None
) -> None:
    without = choose_wait_seconds(times, elapsed_seconds=elapsed_seconds)

    told = choose_wait_seconds(times, elapsed_seconds=elapsed_seconds, progress=progress)

    assert abs(told - without) <= without * PROGRESS_MARGIN + 1


@given(times=TIMES, data=st.data())
def test_no_render_is_asked_about_more_often_than_its_history_holds(times: RenderTimes, data: st.DataObject) -> None:
    progress = data.draw(PROGRESS)
    hint_seconds = data.draw(st.none() | st.floats(min_value=0, max_value=10))
    elapsed_seconds, questions = 0, 0
    while elapsed_seconds < DEADLINE_SECONDS:
        elapsed_seconds += choose_wait_seconds(
            times, elapsed_seconds=elapsed_seconds, progress=progress, hint_seconds=hint_seconds
        )
        questions += 1

    assert questions <= POLLS_MAX

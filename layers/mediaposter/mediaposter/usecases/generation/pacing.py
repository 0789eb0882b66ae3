"""When to poll a provider for a render: soon after it ends, with few polls.

The lognormal distribution of the model's render times gives the probability that a running render ends by a later
moment. Each poll comes when that probability is high enough. So polls are close together where renders usually end,
and far apart before and after that.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from mediaposter.stores.render_times import RenderTimes

FLOOR_SECONDS = 3.0
# A wait is never shorter than this part of the time since the start. So no render gets more than 214 polls in 43,200
# seconds, whatever its distribution or its provider says. A render that hangs is polled ever more rarely.
ELAPSED_PART = 1 / 30
# The probability that the first poll finds the render done, and the same for each later poll after one that did not.
# Together they make about eight polls a video, for a render of any length. See bench/polling.py.
FIRST_CHANCE = 0.15
NEXT_CHANCE = 0.104
# Progress moves a poll by half a wait at most: some providers report 50 all the time, or 99 for minutes.
PROGRESS_MARGIN = 0.5

_STANDARD = NormalDist()
# Six deviations from the mean; beyond that only ELAPSED_PART decides.
_SURVIVAL_MIN = 1e-9


def choose_wait_seconds(
    times: RenderTimes,
    *,
    elapsed_seconds: float = 0.0,
    progress: int | None = None,
    hint_seconds: float | None = None,
) -> int:
    """Choose how long to wait before the next poll of a running render, in whole seconds.

    Args:
        times: the render times of this model.
        elapsed_seconds: since the provider accepted the job; 0 for the first wait.
        progress: the provider's percentage; None if it reported none, or none higher than before.
        hint_seconds: how long the provider asked to wait; no poll comes sooner.
    """
    least_seconds = max(FLOOR_SECONDS, elapsed_seconds * ELAPSED_PART)
    wait_seconds = max(_find_next_moment(times, elapsed_seconds) - elapsed_seconds, least_seconds)
    if progress:
        left_seconds = elapsed_seconds * (100 - progress) / progress
        sooner_seconds, later_seconds = wait_seconds * (1 - PROGRESS_MARGIN), wait_seconds * (1 + PROGRESS_MARGIN)
        wait_seconds = max(min(max(left_seconds, sooner_seconds), later_seconds), least_seconds)
    return math.ceil(max(wait_seconds, hint_seconds or 0.0))


def predict_end_seconds(times: RenderTimes, *, elapsed_seconds: float = 0.0) -> float:
    """Give the seconds after its start by which a render that still runs has ended as likely as not."""
    survival = max(_tell_survival(times, elapsed_seconds), _SURVIVAL_MIN)
    return max(_find_moment(times, survival / 2), elapsed_seconds * (1 + ELAPSED_PART))


def _find_next_moment(times: RenderTimes, elapsed_seconds: float) -> float:
    """Give the seconds after the start at which a poll has the wanted probability to find the render done."""
    survival = max(_tell_survival(times, elapsed_seconds), _SURVIVAL_MIN)
    return _find_moment(times, min(1 - FIRST_CHANCE, survival * (1 - NEXT_CHANCE)))


def _find_moment(times: RenderTimes, survival: float) -> float:
    """Give the seconds after the start at which a render still runs with this probability."""
    return math.exp(times.log_mean - times.log_deviation * _STANDARD.inv_cdf(survival))


def _tell_survival(times: RenderTimes, seconds: float) -> float:
    """Give the probability that a render takes longer; not as 1 - cdf, which loses small values."""
    if seconds <= 0:
        return 1.0
    return math.erfc((math.log(seconds) - times.log_mean) / times.log_deviation / math.sqrt(2)) / 2

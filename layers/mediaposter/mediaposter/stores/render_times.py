"""How long each model's renders have lately taken: what the waits of the next one are chosen from."""

from __future__ import annotations

import math

from pydantic import Field

from mediaposter.domain.errors import NotFound, VersionConflict
from mediaposter.stores.table import Key, Record, Table

# Half of what is known comes from the last eleven renders: a drift is followed within some tens of them.
SAMPLE_WEIGHT = 1 / 16
# What a catalog says is a guess, and learned away as fast as it is wide.
PRIOR_DEVIATION = 0.5
# A deviation of 0.05 is 5 % of the time, of 1 a factor of e: steadier or wilder than that no render is taken to be.
DEVIATION_MIN, DEVIATION_MAX = 0.05, 1.0
# A render further from the mean counts as one that is just so far: one that hung does not spoil the next ones' waits.
OUTLIER_DEVIATIONS = 3.0

_MILLION = 1_000_000
_SLICES = 8


class RenderTimes(Record):
    """The times of a model's renders: weighted mean and variance of the natural logarithm of their seconds.

    Both are in millionths, because the table keeps no floats. Version 0 is a guess that was never kept.
    """

    model: str
    log_mean_micros: int
    log_variance_micros: int = Field(gt=0)

    @property
    def key(self) -> Key:
        """Give the primary key."""
        return render_times_key(self.model)

    @property
    def log_mean(self) -> float:
        """Give the mean of the logarithm: `exp` of it is the median in seconds."""
        return self.log_mean_micros / _MILLION

    @property
    def log_deviation(self) -> float:
        """Give the standard deviation of the logarithm."""
        return math.sqrt(self.log_variance_micros / _MILLION)

    def learn(self, *, running_seconds: float, done_seconds: float) -> RenderTimes:
        """Give the times with one more render among them, one version on.

        It ended between two questions, nobody knows when. So it counts as all moments between them, each as
        probable as the times so far make it: a plain midpoint would take a render that was done at the first
        question for twice as fast as it was, and the next first question would come too soon.

        Args:
            running_seconds: after its start, when it was last seen running; 0 when it never was.
            done_seconds: after its start, when it was first seen done.
        """
        since, until = self._to_deviations(running_seconds), self._to_deviations(done_seconds)
        moments = [since + (until - since) * (index + 0.5) / _SLICES for index in range(_SLICES)]
        weights = [math.exp(-(moment**2) / 2) for moment in moments]
        pairs = list(zip(weights, moments, strict=True))
        mean = sum(weight * moment for weight, moment in pairs) / sum(weights)
        square = sum(weight * moment**2 for weight, moment in pairs) / sum(weights)

        shift = SAMPLE_WEIGHT * mean
        scale = math.sqrt((1 - SAMPLE_WEIGHT) + SAMPLE_WEIGHT * square - shift**2)
        deviation = min(max(self.log_deviation * scale, DEVIATION_MIN), DEVIATION_MAX)
        return RenderTimes(
            version=self.version + 1,
            model=self.model,
            log_mean_micros=round((self.log_mean + self.log_deviation * shift) * _MILLION),
            log_variance_micros=round(deviation**2 * _MILLION),
        )

    def _to_deviations(self, seconds: float) -> float:
        """Give how many deviations a time lies from the mean, outliers drawn in."""
        logarithm = math.log(seconds) if seconds > 0 else -math.inf
        deviations = (logarithm - self.log_mean) / self.log_deviation
        return min(max(deviations, -OUTLIER_DEVIATIONS), OUTLIER_DEVIATIONS)


def guess_render_times(model: str, *, expected_seconds: float) -> RenderTimes:
    """Give what is known of a model before its first render: what its catalog says."""
    return RenderTimes(
        version=0,
        model=model,
        log_mean_micros=round(math.log(expected_seconds) * _MILLION),
        log_variance_micros=round(PRIOR_DEVIATION**2 * _MILLION),
    )


def render_times_key(model: str) -> Key:
    """Give the primary key of a model's render times."""
    return Key(f"MODEL#{model}", "RENDERS")


class RenderTimeStore:
    """The render times that are kept, by the model's name in the catalog."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, model: str, *, expected_seconds: float) -> RenderTimes:
        """Read a model's render times, or guess them from the catalog's when none was seen yet."""
        try:
            return RenderTimes.model_validate(self._table.get(render_times_key(model)))
        except NotFound:
            return guess_render_times(model, expected_seconds=expected_seconds)

    def learn(self, model: str, *, expected_seconds: float, running_seconds: float, done_seconds: float) -> None:
        """Add a render that came out well; `RenderTimes.learn` tells what the seconds are."""
        times = self.get(model, expected_seconds=expected_seconds)
        learned = times.learn(running_seconds=running_seconds, done_seconds=done_seconds)
        try:
            if times.version == 0:
                self._table.create([learned])
            else:
                self._table.replace(learned, expected_version=times.version, allowed={})
        except VersionConflict:
            # Another worker learned at the same moment. This render is dropped: it is one hint of many, no video
            # depends on it, and trying again would delay one that is ready to be stored.
            return

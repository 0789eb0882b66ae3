"""Recent render times of each model, from which the polling intervals of the next render are chosen."""

from __future__ import annotations

import math

from pydantic import Field

from mediaposter.domain.errors import NotFound, VersionConflict
from mediaposter.stores.table import Key, Record, Table

# Half of the weight is on the last eleven renders, so the figures follow a drift within some tens of renders.
SAMPLE_WEIGHT = 1 / 16
# The catalog's figure is a guess. The wider it is, the faster real renders replace it.
PRIOR_DEVIATION = 0.5
# Bounds of the deviation: 0.05 is 5 % of the time, 1 is a factor of e.
DEVIATION_MIN, DEVIATION_MAX = 0.05, 1.0
# A render further from the mean counts as this far: a render that hung does not distort the next intervals.
OUTLIER_DEVIATIONS = 3.0

_MILLION = 1_000_000
_SLICES = 8


class RenderTimes(Record):
    """A model's render times: weighted mean and variance of the natural logarithm of the seconds.

    Both are in millionths, because the table has no floats. Version 0 is a guess that was never stored.
    """

    model: str
    log_mean_micros: int
    log_variance_micros: int = Field(gt=0)

    @property
    def key(self) -> Key:
        return render_times_key(self.model)

    @property
    def log_mean(self) -> float:
        """Give the mean of the logarithm: `exp` of it is the median in seconds."""
        return self.log_mean_micros / _MILLION

    @property
    def log_deviation(self) -> float:
        return math.sqrt(self.log_variance_micros / _MILLION)

    def learn(self, *, running_seconds: float, done_seconds: float) -> RenderTimes:
        """Give the next version of the times, with one more render.

        The render ended at an unknown moment between two polls. So every moment between them counts, weighted by its
        probability under the times so far. A plain midpoint would count a render that was done at the first poll as
        twice as fast as it was, and the next first poll would come too soon.

        Args:
            running_seconds: seconds from its start to the last poll that saw it running; 0 if none did.
            done_seconds: seconds from its start to the first poll that saw it done.
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
        """Give the distance of a time from the mean in deviations, with outliers capped."""
        logarithm = math.log(seconds) if seconds > 0 else -math.inf
        deviations = (logarithm - self.log_mean) / self.log_deviation
        return min(max(deviations, -OUTLIER_DEVIATIONS), OUTLIER_DEVIATIONS)


def guess_render_times(model: str, *, expected_seconds: float) -> RenderTimes:
    """Build the render times of a model without renders, from its catalog entry."""
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
    """Keeps render times by the model's catalog name."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, model: str, *, expected_seconds: float) -> RenderTimes:
        """Read a model's render times; before its first render, guess them from the catalog."""
        try:
            return RenderTimes.model_validate(self._table.get(render_times_key(model)))
        except NotFound:
            return guess_render_times(model, expected_seconds=expected_seconds)

    def learn(self, model: str, *, expected_seconds: float, running_seconds: float, done_seconds: float) -> None:
        """Add a successful render; `RenderTimes.learn` explains the seconds."""
        times = self.get(model, expected_seconds=expected_seconds)
        learned = times.learn(running_seconds=running_seconds, done_seconds=done_seconds)
        try:
            if times.version == 0:
                self._table.create([learned])
            else:
                self._table.replace(learned, expected_version=times.version, allowed={})
        except VersionConflict:
            # Another worker wrote at the same moment. This render is dropped: it is one sample of many, no video
            # depends on it, and trying again would delay a video that is ready to be stored.
            return

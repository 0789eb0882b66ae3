"""How late a finished render is known, and after how many questions: with webhooks beside polling, in the same run.

Run by hand: `python -m bench.webhooks`; it takes a minute or two. Every render is drawn once (lognormal around the
model's expected seconds, a deviation of 0.35) and watched twice: by a stack that asks, and by one that is called as
well. Both walk the shipped state machine through the use cases that production runs, over fakes and a clock that only
waits move; both learn from each render. So it measures the schedule: a question or a Lambda takes no time in either.

The webhook comes so long after the end of the render as is drawn for it (exponential around a second, an
assumption), one in fifty never (another). It prints the delays, the questions and the transitions that Step Functions
charges for, and exits 1 unless webhooks halve the median delay at least, and take fewer questions.
"""

from __future__ import annotations

import math
import random
import statistics
import sys
from dataclasses import dataclass
from datetime import timedelta

from mediaposter.ai.video_model_interface import Capabilities
from tests.builders import CATALOG, a_caller, a_request
from tests.fakes.video_model import RenderingModel
from tests.fakes.world import World

RENDERS = 500
DEVIATION = 0.35
LATENCY_SECONDS = 1.0
LOST_PART = 0.02
EXPECTED_SECONDS = (10, 60, 120, 180)
RATIO_MAX = 0.5


@dataclass(frozen=True)
class Render:
    """One render: how long it takes, and how long after its end the webhook comes, if it does."""

    seconds: float
    webhook_after_seconds: float | None


@dataclass(frozen=True)
class Figures:
    """What many renders cost in questions, and how late they were known."""

    median_seconds: float
    p90_seconds: float
    worst_seconds: float
    questions: float
    transitions: float

    def __str__(self) -> str:
        return (
            f"{self.median_seconds:>8.2f} {self.p90_seconds:>6.1f} {self.worst_seconds:>6.0f} "
            f"{self.questions:>6.2f} {self.transitions:>6.1f}"
        )


def draw_renders(expected_seconds: int) -> list[Render]:
    """Draw the renders of a model."""
    chance = random.Random(expected_seconds)  # noqa: S311 (no secret depends on it)
    return [
        Render(
            expected_seconds * math.exp(chance.gauss(0, DEVIATION)),
            None if chance.random() < LOST_PART else chance.expovariate(1 / LATENCY_SECONDS),
        )
        for _ in range(RENDERS)
    ]


def watch(renders: list[Render], expected_seconds: int, *, listens_to: tuple[str, ...]) -> Figures:
    """Watch renders one after another, as one stack does."""
    entry = CATALOG.get("sora-2").model_copy(update={"expected_render_seconds": expected_seconds})
    catalog = CATALOG.model_copy(update={"models": {**CATALOG.models, entry.name: entry}})
    world = World(
        model=lambda effects: RenderingModel(effects, capabilities=Capabilities(webhook=True)),
        catalog=catalog,
        listens_to=listens_to,
        ids=[f"video_{number}" for number in range(len(renders))],
    )
    model = world.model
    if not isinstance(model, RenderingModel):
        raise TypeError("the world has another model")
    model.clock = world.clock
    delays, questions = [], []
    for render in renders:
        model.render_seconds = render.seconds
        world.webhooks_at = []
        if render.webhook_after_seconds is not None:
            world.webhooks_at = [world.clock() + timedelta(seconds=render.seconds + render.webhook_after_seconds)]
        world.submit(a_request(), caller=a_caller())
        world.run_executions()
        delays.append(model.delay_seconds)
        questions.append(model.questions)
    return Figures(
        median_seconds=statistics.median(delays),
        p90_seconds=sorted(delays)[len(delays) * 9 // 10],
        worst_seconds=max(delays),
        questions=statistics.fmean(questions),
        transitions=statistics.fmean(machine.transitions for machine in world.machines),
    )


def main() -> None:
    """Print the table, and exit 1 if webhooks do not do what they are for."""
    print(
        f"{RENDERS:,} renders each; {LOST_PART:.0%} of the webhooks are lost, the others come {LATENCY_SECONDS:.0f} s"
    )
    print("after the end on average. Seconds between done and known (median, p90, worst), questions, transitions\n")
    print(f"{'expected':>8} {'polling':>38} {'with webhooks':>38} {'ratio of medians':>18}")
    is_met = True
    for expected_seconds in EXPECTED_SECONDS:
        renders = draw_renders(expected_seconds)
        asking = watch(renders, expected_seconds, listens_to=())
        called = watch(renders, expected_seconds, listens_to=("sora",))
        ratio = called.median_seconds / asking.median_seconds
        holds = ratio <= RATIO_MAX and called.questions < asking.questions
        print(
            f"{expected_seconds:>6} s {asking!s:>38} {called!s:>38} {ratio:>18.2f}{'' if holds else '  MISSED'}",
            flush=True,
        )
        is_met = is_met and holds
    sys.exit(0 if is_met else 1)


if __name__ == "__main__":
    main()

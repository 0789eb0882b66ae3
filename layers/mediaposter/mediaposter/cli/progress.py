"""Progress on stderr: a bar by stage on a terminal, else one line a stage with the time since the start."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from mediaposter.cli.console import describe_elapsed, open_notes

_STAGE_WIDTH = 11


class ProgressView(Protocol):
    """Shows how far something is, while its block runs."""

    def __enter__(self) -> ProgressView: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, stage: str, percent: float, detail: str = "") -> None:
        """Show a stage, how much of it is done, and a few words on what is to come."""

    def note(self, text: str) -> None:
        """Write a line beside it."""


class _Lines:
    """One line a stage."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console = console
        self._clock = clock
        self._started_at = clock()
        self._stage = ""

    def __enter__(self) -> _Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, stage: str, percent: float, detail: str = "") -> None:  # noqa: ARG002 (a line shows no percents)
        if stage != self._stage:
            self._stage = stage
            self.note(f"{stage}{f' ({detail})' if detail else ''}")

    def note(self, text: str) -> None:
        self._console.print(f"{describe_elapsed(self._clock() - self._started_at):>5}  {text}")


class _ClockColumn(ProgressColumn):
    """The time since the start, which goes on between two answers."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._started_at = clock()

    def render(self, task: Task) -> Text:  # noqa: ARG002 (the same for every task)
        return Text(f"{describe_elapsed(self._clock() - self._started_at):>6}")


class _PercentColumn(ProgressColumn):
    """How much is done; nothing where the provider does not say, and the bar pulses."""

    def render(self, task: Task) -> Text:
        return Text("    " if task.total is None else f"{task.percentage:>3.0f}%")


class _Bar:
    """A bar that moves, and above it a line for each stage that is over."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        # 11 + 28 + 4 + 7, and what is left of 80 columns for the words.
        self._progress = Progress(
            TextColumn(f"{{task.description:<{_STAGE_WIDTH}}}", markup=False),
            BarColumn(bar_width=28),
            _PercentColumn(),
            _ClockColumn(clock),
            TextColumn("{task.fields[detail]}", markup=False),
            console=console,
            transient=True,
        )
        self._clock = clock
        self._stage_began_at = clock()
        self._stage = ""
        self._task: TaskID | None = None

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._end_stage()
        self._progress.stop()

    def show(self, stage: str, percent: float, detail: str = "") -> None:
        if self._task is None:
            self._task = self._progress.add_task(stage, total=None, detail="")
        if stage != self._stage:
            self._end_stage()
            self._stage, self._stage_began_at = stage, self._clock()
        self._progress.update(
            self._task, description=stage, completed=percent, total=100 if percent else None, detail=detail
        )

    def note(self, text: str) -> None:
        self._progress.console.print(text)

    def _end_stage(self) -> None:
        if self._stage:
            took = describe_elapsed(self._clock() - self._stage_began_at)
            # As a styled text: a style of `print` would dim the bar below it, too.
            self._progress.console.print(Text(f"{self._stage:<{_STAGE_WIDTH}} {took:>6}", style="dim"))
        self._stage = ""


def open_progress(*, clock: Callable[[], float] = time.monotonic) -> ProgressView:
    """Open a view that fits where stderr goes."""
    console = open_notes()
    # TERM=dumb has no way to move a cursor.
    if console.is_terminal and not console.is_dumb_terminal:
        return _Bar(console, clock)
    return _Lines(console, clock)

"""Draw the clips of the stand-ins, off their event loops."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mediaposter.host.pretend.render import render_video


@dataclass(frozen=True, slots=True)
class RenderedVideo:
    """A clip on disk, and when it was finished."""

    path: Path
    finished_at: float


class RenderPool:
    """Renders clips off the event loop, at most two at once; an identical clip is drawn once.

    A context manager: the files live as long as it is open.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._renders: dict[tuple[str, int, int, int, bool], Future[RenderedVideo]] = {}

    def __enter__(self) -> RenderPool:
        self._folder = tempfile.TemporaryDirectory(prefix="sandbox-videos-")
        self._executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="render")
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(cancel_futures=True)
        self._folder.cleanup()
        self._renders.clear()

    def submit(
        self, prompt: str, *, width: int, height: int, seconds: int, faststart: bool = True
    ) -> Future[RenderedVideo]:
        """Queue a clip, or hand back the render of the same clip."""
        key = (prompt, width, height, seconds, faststart)
        if key not in self._renders:
            path = Path(self._folder.name) / f"{len(self._renders)}.mp4"
            self._renders[key] = self._executor.submit(self._render, key, path)
        return self._renders[key]

    def _render(self, key: tuple[str, int, int, int, bool], path: Path) -> RenderedVideo:
        prompt, width, height, seconds, faststart = key
        render_video(prompt, width=width, height=height, seconds=seconds, path=path, faststart=faststart)
        return RenderedVideo(path, self._clock())

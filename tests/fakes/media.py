"""The bucket in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from mediaposter.errors import NotFound
from mediaposter.library.media import StoredVideo
from mediaposter.streaming.video_stream import VideoStream
from tests.builders import a_stored_video
from tests.fakes.effects import Effects


class FakeMediaStore:
    """Keeps videos by their key; storing one that is there reads it back, as the real store does.

    Attributes:
        puts: how often each key was written.
        errors: what the next calls of `store_video` raise, having kept nothing.
        deadlines: what each call of `store_video` was given.
    """

    def __init__(self, effects: Effects | None = None, *, errors: Sequence[Exception] = ()) -> None:
        self.objects: dict[str, bytes] = {}
        self.puts: Counter[str] = Counter()
        self.errors = list(errors)
        self.deadlines: list[float] = []
        self._effects = effects or Effects()

    def store_video(
        self,
        video_id: str,
        open_stream: Callable[[int, str | None], AbstractContextManager[VideoStream]],
        *,
        deadline: float,
    ) -> StoredVideo:
        """Keep a video once."""
        self.deadlines.append(deadline)
        if self.errors:
            raise self.errors.pop(0)
        stored = a_stored_video(video_id)
        if stored.key not in self.objects:
            with open_stream(0, None) as stream:
                content = b"".join(stream.chunks)
            with self._effects.take("store the video"):
                self.objects[stored.key] = content
                self.puts[stored.key] += 1
        return stored.model_copy(update={"size_bytes": len(self.objects[stored.key])})

    @contextmanager
    def open_stored(self, key: str) -> Iterator[VideoStream]:
        """Open what is kept."""
        if key not in self.objects:
            raise NotFound(f"There is no {key} in the bucket.")
        yield VideoStream(chunks=iter([self.objects[key]]), size_bytes=len(self.objects[key]))

    def presign_download(self, key: str, *, filename: str) -> str:
        """Give an address that names both."""
        return f"https://bucket.example/{key}?as={filename}"

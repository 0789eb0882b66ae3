"""The bucket in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from mediaposter.domain.errors import NotFound
from mediaposter.media.inspection import Inspection, StoredVersion
from mediaposter.media.video_stream import VideoStream
from mediaposter.stores.media import PresignedUpload, StoredVideo
from tests.builders import NOW, a_stored_video, an_inspection
from tests.fakes.effects import Effects


class FakeMediaStore:
    """Keeps videos by their key; storing one that is there reads it back, as the real store does.

    Attributes:
        puts: how often each key was written.
        errors: what the next calls of `store_video` raise, having kept nothing.
        meanwhile: what happens between the last byte and the answer.
        deadlines: what each call of `store_video` was given.
    """

    def __init__(self, effects: Effects | None = None, *, errors: Sequence[Exception] = ()) -> None:
        self.objects: dict[str, bytes] = {}
        self.puts: Counter[str] = Counter()
        self.errors = list(errors)
        self.deadlines: list[float] = []
        self.meanwhile: Callable[[], object] = _nothing
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
        stored = stored.model_copy(update={"size_bytes": len(self.objects[stored.key])})
        self.meanwhile()
        return stored

    @contextmanager
    def open_stored(self, key: str) -> Iterator[VideoStream]:
        """Open what is kept."""
        if key not in self.objects:
            raise NotFound(f"There is no {key} in the bucket.")
        yield VideoStream(chunks=iter([self.objects[key]]), size_bytes=len(self.objects[key]))

    def inspect(self, stored: StoredVersion) -> Inspection:
        """Say what every video is here."""
        del stored
        return an_inspection()

    def presign_download(self, key: str, *, filename: str, seconds: int = 900) -> str:
        """Give an address that names both."""
        del seconds
        return f"https://bucket.example/{key}?as={filename}"

    def delete_video(self, video_id: str) -> int:
        """Remove what is kept of a video."""
        keys = [key for key in self.objects if key.startswith(f"videos/{video_id}/")]
        for key in keys:
            del self.objects[key]
        return len(keys)

    def presign_upload(self, owner: str, upload_id: str, *, content_type: str, size_bytes: int) -> PresignedUpload:
        """Give an address that names all of it."""
        return PresignedUpload(
            url=f"https://bucket.example/uploads/{owner}/{upload_id}?size={size_bytes}",
            headers=(("content-type", content_type),),
            expires_at=NOW,
        )

    def keep_upload(self, owner: str, upload_id: str, content: bytes, content_type: str) -> None:
        """Keep a picture."""
        del content_type
        self.objects[f"uploads/{owner}/{upload_id}"] = content

    def read_upload(self, owner: str, upload_id: str) -> bytes:
        """Read a picture."""
        if f"uploads/{owner}/{upload_id}" not in self.objects:
            raise NotFound(f"There is no upload {upload_id}.")
        return self.objects[f"uploads/{owner}/{upload_id}"]


def _nothing() -> None:
    """Let nothing happen meanwhile."""

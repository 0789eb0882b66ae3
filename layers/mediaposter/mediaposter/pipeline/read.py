"""Answer what is kept, to its owner alone."""

from __future__ import annotations

from typing import Protocol

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.errors import InvalidRequest, NotFound
from mediaposter.library.posts import Post, PostLedger
from mediaposter.library.videos import Video, VideoLibrary


class Presigner(Protocol):
    """Whatever makes a kept object readable for a while."""

    def presign_download(self, key: str, *, filename: str) -> str:
        """Give a short-lived URL of an object."""


class ReadLibrary:
    """The questions a caller may ask about a video."""

    def __init__(self, *, library: VideoLibrary, ledger: PostLedger, media: Presigner) -> None:
        self._library = library
        self._ledger = ledger
        self._media = media

    def retrieve(self, video_id: str, *, owner: str) -> tuple[Video, list[Post]]:
        """Read a video and its posts.

        Raises:
            NotFound: there is none, or it is somebody else's; the two look alike from outside.
        """
        video = self._library.get(video_id)
        if video.owner != owner:
            raise NotFound(f"There is no video {video_id}.")
        return video, self._ledger.list(video_id)

    def locate(self, video_id: str, *, owner: str, variant: str) -> str:
        """Give a short-lived URL of a variant of a kept video.

        Raises:
            NotFound: there is no such video of this owner.
            InvalidRequest: the video is not kept (yet), or there is no such variant.
        """
        video, _ = self.retrieve(video_id, owner=owner)
        if video.stored is None:
            reason = "has failed" if video.status is VideoStatus.FAILED else "is not completed yet"
            raise InvalidRequest(f"The video {reason}: there is no content to download.", code="video_not_ready")
        keys = {"video": video.stored.key, "thumbnail": video.stored.thumbnail_key}
        if variant not in keys:
            raise InvalidRequest(
                f"There is no variant {variant[:40]!r}. There are: {', '.join(keys)}.",
                param="variant",
                code="invalid_value",
            )
        suffix = keys[variant].rpartition(".")[2]
        return self._media.presign_download(keys[variant], filename=f"{video_id}.{suffix}")

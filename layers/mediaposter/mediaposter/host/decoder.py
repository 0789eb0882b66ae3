"""Decode and draw videos in child processes, so that no file can take down the host or keep its memory."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from pydantic import ValidationError

from mediaposter.domain.errors import ConfigurationError, MediaError, MediaPosterError, NotFound
from mediaposter.host.child_jobs import ChildAnswer, ChildJob, Drawing
from mediaposter.host.children import ChildFault, Children, run_module
from mediaposter.media.inspection import Inspection, StoredVersion

# As long as ProbeVideoFunction has on AWS.
INSPECT_SECONDS = 120.0
DRAW_SECONDS = 120.0

# Gives the file of a version; raises NotFound.
LocateVersion = Callable[[str, str | None], Path]


def build_decoders(*, at_once: int = 2) -> Children:
    """Prepare the children that decode and draw, at most `at_once`."""
    return Children(run_module("mediaposter.host.decoder_child"), at_once=at_once)


def check_decoders() -> None:
    """Check that what decodes videos is installed.

    Raises:
        ConfigurationError: it is not; the sentence says how to install it.
    """
    missing = [name for module, name in (("av", "PyAV"), ("PIL", "Pillow")) if find_spec(module) is None]
    if missing:
        raise ConfigurationError(
            f"{' and '.join(missing)} must be installed for videos to be checked and drawn. They come "
            "with MediaPoster (docs/local.md); to install only these: pip install 'av>=18,<19' 'pillow>=12'."
        )


class ChildInspector:
    """Decode stored videos in a child process; it does what RemoteInspector does on AWS."""

    def __init__(self, locate: LocateVersion, children: Children, *, seconds: float = INSPECT_SECONDS) -> None:
        """Take `FolderBucket.locate`, the children, and the time for one video."""
        self._locate = locate
        self._children = children
        self._seconds = seconds

    def __call__(self, stored: StoredVersion) -> Inspection:
        """Inspect a stored video. From any thread; it waits for a free child.

        Raises:
            MediaError: it is no playable video.
            MediaPosterError: the child broke down over it, or used up its time or its memory; or the file was replaced
                or removed meanwhile. So it is not known what it is.
            ConfigurationError: the decoder is not installed.
        """
        check_decoders()
        path = self._find(stored)
        try:
            answer = _ask(self._children, ChildJob(seconds=self._seconds, inspect=str(path)))
        except ChildFault as fault:
            raise MediaPosterError(
                f"The decoder {fault} It was at work on {stored.key}; the video is kept, and looked at again."
            ) from fault
        if answer.inspected is None:
            raise MediaPosterError(f"The decoder gave no answer about {stored.key}; the video is kept.")
        if self._find(stored) != path:  # another version may have been at the path when the child opened it
            raise _lose(stored)
        if answer.inspected.inspection is None:
            raise MediaError(answer.inspected.refusal or "The file is no playable video.")
        return answer.inspected.inspection

    def _find(self, stored: StoredVersion) -> Path:
        try:
            return self._locate(stored.key, stored.version_id)
        except NotFound as error:
            raise _lose(stored) from error


def _lose(stored: StoredVersion) -> MediaPosterError:
    return MediaPosterError(f"{stored.key} was replaced or removed before it was decoded; it is looked at again.")


class ChildDrawer:
    """Draw clips in a child process."""

    def __init__(self, children: Children, *, seconds: float = DRAW_SECONDS) -> None:
        """Take the children, and the time for one clip."""
        self._children = children
        self._seconds = seconds

    def __call__(self, prompt: str, *, width: int, height: int, seconds: int, path: Path) -> None:
        """Draw a clip; `path` appears whole or not at all. From any thread; it waits for a free child.

        Raises:
            ChildFault: it was not drawn.
            ConfigurationError: what draws is not installed.
        """
        check_decoders()
        drawing = Drawing(prompt=prompt, width=width, height=height, seconds=seconds, path=str(path))
        _ask(self._children, ChildJob(seconds=self._seconds, draw=drawing))


def _ask(children: Children, job: ChildJob) -> ChildAnswer:
    said = children.ask(job.model_dump_json(), seconds=job.seconds)
    try:
        answer = ChildAnswer.model_validate_json(said)
    except ValidationError as error:
        raise ChildFault("gave an answer that cannot be read.") from error
    if answer.fault is not None:
        raise ChildFault(answer.fault)
    return answer

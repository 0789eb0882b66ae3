"""Decode a stored video: the one step that runs a decoder on a provider's file, in a function without keys."""

from __future__ import annotations

from typing import Protocol

from mediaposter.domain.errors import MediaError
from mediaposter.media.inspection import Inspection, InspectionReply, StoredVersion


class Inspecting(Protocol):
    """Decodes stored videos."""

    def inspect(self, stored: StoredVersion) -> Inspection:
        """Decode a stored video, or raise MediaError."""


class InspectVideo:
    """Describe a stored video, or say why it does not play."""

    def __init__(self, *, media: Inspecting) -> None:
        self._media = media

    def __call__(self, stored: StoredVersion) -> InspectionReply:
        """Inspect a stored video; a video that does not play is a result, not an error."""
        try:
            return InspectionReply(inspection=self._media.inspect(stored))
        except MediaError as error:
            return InspectionReply(refusal=str(error))

"""Call other functions of the stack: those with rights that the caller must not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaposter.domain.errors import MediaError, MediaPosterError
from mediaposter.media.inspection import Inspection, InspectionReply, StoredVersion
from mediaposter.usecases.steps import RenderToCancel

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


class RemoteInspector:
    """Have ProbeVideoFunction decode a video, so that no process that holds keys runs a decoder on it."""

    def __init__(self, client: LambdaClient, function_name: str) -> None:
        self._client = client
        self._function_name = function_name

    def __call__(self, stored: StoredVersion) -> Inspection:
        """Inspect a stored video.

        Raises:
            MediaError: it is no playable video.
            MediaPosterError: the function broke down over it, so it is not known what it is.
        """
        response = self._client.invoke(FunctionName=self._function_name, Payload=stored.model_dump_json())
        payload = response["Payload"].read()
        if "FunctionError" in response:  # guard: decoder broke
            raise MediaPosterError(
                f"ProbeVideoFunction failed on {stored.key}; the video is kept, and inspected again."
            )
        reply = InspectionReply.model_validate_json(payload)
        if reply.inspection is None:
            raise MediaError(reply.refusal or "The file is no playable video.")
        return reply.inspection


class RemoteCanceller:
    """Have CancelRenderFunction do it: neither the routes nor the batches hold a provider's key."""

    def __init__(self, client: LambdaClient, function_name: str) -> None:
        self._client = client
        self._function_name = function_name

    def __call__(self, render: RenderToCancel) -> None:
        """Hand the render over; Lambda tries the call again by itself if it fails."""
        self._client.invoke(FunctionName=self._function_name, InvocationType="Event", Payload=render.model_dump_json())

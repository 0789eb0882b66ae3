"""A stand-in for Google's Gemini Omni video models over the Interactions API: `python -m sandbox.gemini --port 0`.

Written on 2026-11-23 from ai.google.dev/gemini-api/docs (interactions, api-errors, troubleshooting),
ai.google.dev/api/files, and the types of google-genai 3.4.0. There is no upload to the Files API, and no streaming.
"""

from __future__ import annotations

import asyncio
import base64
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Literal

from pydantic import JsonValue
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from sandbox.engine import Body, Clip, Job, Refusal, StandIn, find_origin
from sandbox.faults import (
    ON_CREATE,
    ON_RETRIEVE,
    Action,
    Delay,
    Drop,
    NotMp4,
    Plays,
    Respond,
    ShowStatus,
    Stall,
    Truncate,
)
from sandbox.gemini_input import CreateInteraction, read_create, refuse
from sandbox.serving import run

API_KEY = "gemini-sandbox-key"

_FILE_LIFETIME_SECONDS = 48 * 3600
# After its interaction a file is PROCESSING for this share of the time that a render takes.
_PROCESSING_SHARE = 0.3
# Of a second at 720p; the price list counts in these.
_TOKENS_PER_SECOND = 5792
# How often a call that waits for its video looks whether it is there.
_LOOK_SECONDS = 0.05


class FailInteraction(Action):
    """Accept the interaction, and let it fail where it would have been completed."""

    type: Literal["fail"] = "fail"
    code: str = "internal"
    message: str = "An internal error has occurred."


class CompleteEmpty(Action):
    """Complete the interaction without a video, as Google does with what its filters block."""

    type: Literal["complete_empty"] = "complete_empty"


class InlineAnyway(Action):
    """Give the video as base64 though `delivery` is `uri`, as was seen on the preview model."""

    type: Literal["inline_anyway"] = "inline_anyway"


class FileFailed(Action):
    """Complete the interaction, and let its file become FAILED instead of ACTIVE."""

    type: Literal["file_failed"] = "file_failed"


@dataclass(kw_only=True, eq=False)
class Interaction(Job):
    """An interaction, and the file it makes, which outlives it."""

    order: CreateInteraction
    plan: Clip
    file_id: str


class Gemini(StandIn[Interaction]):
    """The routes of the Interactions API and of the Files API."""

    plays: ClassVar[Plays] = {
        # `status` is the word that the interaction ends with.
        "create": (*ON_CREATE, FailInteraction, ShowStatus, CompleteEmpty, InlineAnyway, FileFailed),
        "retrieve": ON_RETRIEVE,
        "content": (Respond, Delay, Drop, Truncate, NotMp4, Stall),
    }

    def reset(self) -> None:
        """Forget jobs, files, faults and calls."""
        super().reset()
        self._made: dict[str, Interaction] = {}

    def list_routes(self) -> Sequence[BaseRoute]:
        """List them."""
        routes = [
            Route("/interactions", self._create, methods=["POST"]),
            Route("/interactions/{interaction_id}", self._retrieve, methods=["GET"]),
            Route("/interactions/{interaction_id}", self._delete, methods=["DELETE"]),
            Route("/interactions/{interaction_id}/cancel", self._cancel, methods=["POST"]),
            Route("/files/{file_id}:download", self._download, methods=["GET"]),
            Route("/files/{file_id}", self._show_file, methods=["GET"]),
        ]
        # The guides say v1beta; google-genai 3.6.1 takes interactions by v1 and files by v1beta.
        return [Mount("/v1beta", routes=routes), Mount("/v1", routes=routes)]

    def authorize(self, request: Request) -> None:
        """Ask for the key, as each of the two APIs words it."""
        if request.headers.get("x-goog-api-key") == API_KEY:
            return
        if "/files/" in request.url.path:
            raise refuse(403, "You do not have permission to access the File.", "PERMISSION_DENIED")
        raise refuse(401, "The API key is missing or invalid. Send it as 'x-goog-api-key'.", "UNAUTHENTICATED")

    def refuse(self, status: int, message: str) -> Refusal:
        """Use Google's envelope."""
        return refuse(status, message, {400: "INVALID_ARGUMENT", 404: "NOT_FOUND"}.get(status, "UNIMPLEMENTED"))

    async def _create(self, request: Request) -> Response:
        """Answer at once with `background`, otherwise when the video is there."""
        order = read_create(await request.body())
        plan = order.plan_clip(self._find_previous(order))
        facts: Body = {"prompt": order.prompt, "images": len(order.images)}
        action = self.begin(request, "create", order.prompt, **facts)
        job = Interaction(
            id=f"v1_{uuid.uuid4().hex}",
            prompt=order.prompt,
            render=self.draw(order.prompt, plan),
            fault=action,
            order=order,
            plan=plan,
            file_id=uuid.uuid4().hex[:12],
        )
        self._made[job.file_id] = self.accept(request, job)
        # As it was accepted, whatever the clock does meanwhile.
        accepted = self._describe(job, find_origin(request))
        await self.finish(action)
        if order.background:
            return JSONResponse(accepted)
        while self.find_phase(job) != "ended" and not await request.is_disconnected():
            await asyncio.sleep(_LOOK_SECONDS)
        return JSONResponse(self._describe(job, find_origin(request)))

    def _find_previous(self, order: CreateInteraction) -> Clip | None:
        """Find what the interaction before this one made."""
        if order.previous_interaction_id is None:
            return None
        previous = self._find(order.previous_interaction_id)
        status = self._find_status(previous)
        if status != "completed":
            raise refuse(400, f"The previous interaction is {status}, not completed.", "FAILED_PRECONDITION")
        return previous.plan

    async def _retrieve(self, request: Request) -> Response:
        job = self._find_asked(request)
        action = await self.begin_reading(request, "retrieve", job)
        view = self._describe(job, find_origin(request))
        return JSONResponse({**view, "status": action.status} if isinstance(action, ShowStatus) else view)

    async def _cancel(self, request: Request) -> Response:
        job = self._find_asked(request)
        if not job.order.background or self.find_phase(job) == "ended":
            message = "Only an interaction that is running in the background can be cancelled."
            raise refuse(400, message, "FAILED_PRECONDITION")
        job.cancelled_at = self.clock()
        return JSONResponse(self._describe(job, find_origin(request)))

    async def _delete(self, request: Request) -> Response:
        """Forget an interaction; a file that was made stays for its 48 hours."""
        del self.jobs[self._find_asked(request).id]
        return JSONResponse({})

    async def _show_file(self, request: Request) -> Response:
        job, origin = self._find_made(request), find_origin(request)
        ended_at = self.find_end(job)
        return JSONResponse(
            {
                "name": f"files/{job.file_id}",
                "mimeType": "video/mp4",
                "sizeBytes": str(job.clip.path.stat().st_size),  # an int64 in JSON
                "createTime": _format_time(ended_at),
                "expirationTime": _format_time(ended_at + _FILE_LIFETIME_SECONDS),
                "uri": f"{origin}/v1beta/files/{job.file_id}",
                "downloadUri": _build_download_uri(job, origin),
                "state": self._find_file_state(job),
                "source": "GENERATED",
            }
        )

    async def _download(self, request: Request) -> Response:
        job = self._find_made(request)
        state = self._find_file_state(job)
        if state != "ACTIVE":
            message = f"The File {job.file_id} is not in an ACTIVE state: {state}."
            raise refuse(400, message, "FAILED_PRECONDITION")
        if request.query_params.get("alt") != "media":
            raise refuse(400, "A download needs the query alt=media.")
        return self.send_clip(job, await self.begin_reading(request, "content", job))

    def _find_asked(self, request: Request) -> Interaction:
        self.note(request, video_id=request.path_params["interaction_id"])
        return self._find(request.path_params["interaction_id"])

    def _find(self, interaction_id: str) -> Interaction:
        job = self.jobs.get(interaction_id)
        if job is None or not job.order.store:
            raise refuse(404, f"Interaction {interaction_id} was not found.", "NOT_FOUND")
        return job

    def _find_made(self, request: Request) -> Interaction:
        """Find the job that made a file, while the file is there; its id is not in any earlier answer."""
        file_id = request.path_params["file_id"]
        job = self._made.get(file_id)
        if job is None or self.clock() >= self.find_end(job) + _FILE_LIFETIME_SECONDS:
            raise refuse(404, f"The File {file_id} does not exist, or has expired.", "NOT_FOUND")
        return job

    def _find_status(self, job: Interaction) -> str:
        phase = self.find_phase(job)
        if phase != "ended":
            return "in_progress" if phase == "running" else "queued"
        if job.cancelled_at is not None:
            return "cancelled"
        if isinstance(job.fault, ShowStatus):
            return job.fault.status
        return "failed" if isinstance(job.fault, FailInteraction) else "completed"

    def _find_file_state(self, job: Interaction) -> str:
        if self.clock() < self.find_end(job) + _PROCESSING_SHARE * self.render_seconds:
            return "PROCESSING"
        return "FAILED" if isinstance(job.fault, FileFailed) else "ACTIVE"

    def _describe(self, job: Interaction, origin: str) -> Body:
        """Show a job as Google's Interaction; what does not apply is absent. Times are ISO 8601 in UTC."""
        status = self._find_status(job)
        is_over = status not in ("queued", "in_progress")
        view: Body = {"id": job.id, "object": "interaction", "status": status, "model": job.order.model}
        view |= {"created": _format_time(job.created_at), "steps": []}
        view["updated"] = _format_time(self.find_end(job) if is_over else job.created_at)
        if job.order.previous_interaction_id is not None:
            view["previous_interaction_id"] = job.order.previous_interaction_id
        if isinstance(job.fault, FailInteraction) and status == "failed":
            view["errors"] = [{"code": job.fault.code, "message": job.fault.message}]
        if is_over:
            has_video = status == "completed" and not isinstance(job.fault, CompleteEmpty)
            given: list[JsonValue] = [step.model_dump(mode="json") for step in job.order.input]
            view["steps"] = [*given, *_describe_output(job, origin)] if has_video else given
            view["usage"] = {"total_output_tokens": _TOKENS_PER_SECOND * job.order.seconds if has_video else 0}
        return view


def _describe_output(job: Interaction, origin: str) -> list[JsonValue]:
    """Show what the model thought, which is opaque to the caller, and what it made."""
    video: Body = {"type": "video", "mime_type": "video/mp4"}
    if job.order.response_format.delivery == "inline" or isinstance(job.fault, InlineAnyway):
        video["data"] = base64.b64encode(job.clip.path.read_bytes()).decode()
    else:
        video["uri"] = _build_download_uri(job, origin)
    return [{"type": "thought", "signature": "c2FuZGJveA=="}, {"type": "model_output", "content": [video]}]


def _build_download_uri(job: Interaction, origin: str) -> str:
    return f"{origin}/v1beta/files/{job.file_id}:download?alt=media"


def _format_time(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")


def create_app(*, render_seconds: float = 3.0, clock: Callable[[], float] = time.time) -> Starlette:
    """Build the stand-in; a file is ready 0.3 times `render_seconds` after its interaction."""
    return Gemini(render_seconds=render_seconds, clock=clock).build_app()


if __name__ == "__main__":
    run(create_app, base_path="", render_seconds=3.0)

"""A stand-in for a server of OpenAI's Videos API: `python -m sandbox.videos_api --port 0`.

Written on 2026-11-23 from OpenAI's Videos reference (developers.openai.com/api/reference/resources/videos) as
openai-python 3.54.0 carries it: create, retrieve, list, delete, content, remix; not edits, extensions and characters.
OpenAI switched the API off on 2026-09-24; vLLM-Omni, SGLang Diffusion, LiteLLM and other gateways go on speaking it.
"""

from __future__ import annotations

import io
import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, TypeVar

from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.engine import Body, Clip, Job, Refusal, StandIn
from sandbox.faults import ON_CONTENT, ON_CREATE, ON_RETRIEVE, Action, Plays, ShowStatus
from sandbox.serving import run

API_KEY = "sk-sandbox"

_ASSET_LIFETIME_SECONDS = 24 * 3600
_MODELS = ("sora-2", "sora-2-pro", "sora-2-2025-10-06", "sora-2-pro-2025-10-06", "sora-2-2025-12-08")
_PRO_SIZES = ("1024x1792", "1792x1024")
_IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp")
_VALIDATION_CODES = {
    "missing": "missing_required_parameter",
    "extra_forbidden": "unknown_parameter",
    "string_too_short": "string_below_min_length",
    "string_too_long": "string_above_max_length",
    "string_type": "invalid_type",
    "int_parsing": "invalid_type",
    "model_type": "invalid_type",
    "greater_than_equal": "integer_below_min_value",
    "less_than_equal": "integer_above_max_value",
}


class Fail(Action):
    """Accept the job, and let it fail where it would have been completed."""

    type: Literal["fail"] = "fail"
    code: str = "moderation_blocked"
    message: str = "Your request was blocked by our moderation system."


class MoovLast(Action):
    """Render the clip with its index at the end."""

    type: Literal["moov_last"] = "moov_last"


class VllmFailed(Action):
    """Accept the job and let it fail as in vLLM-Omni 0.30: each GET answers `status`, the job is its body.

    The `code` in the job's error is an integer there.
    """

    type: Literal["vllm_failed"] = "vllm_failed"
    status: int = Field(default=500, ge=400, le=599)
    code: int = 500
    message: str = "The engine died."


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Prompt = Annotated[str, Field(min_length=1, max_length=32_000)]


class ImageLink(_Closed):
    """A reference image by its address, which is not fetched. There is no Files API here, so no `file_id`."""

    image_url: str


class CreateVideo(_Closed):
    """The fields of `POST /videos`; an uploaded image is checked apart."""

    prompt: Prompt
    model: str = "sora-2"
    seconds: Literal["4", "8", "12"] = "4"
    size: Literal["720x1280", "1280x720", "1024x1792", "1792x1024"] = "720x1280"
    input_reference: ImageLink | None = None

    @property
    def clip(self) -> Clip:
        """Give the clip that is asked for."""
        width, height = self.size.split("x")
        return Clip(int(width), int(height), int(self.seconds))


class _RemixVideo(_Closed):
    prompt: Prompt


class _ListVideos(_Closed):
    after: str | None = None
    limit: int = Field(default=20, ge=0, le=100)
    order: Literal["asc", "desc"] = "desc"


class _FetchContent(_Closed):
    # Here are no thumbnails and no spritesheets: the product makes its own.
    variant: Literal["video"] = "video"


@dataclass(kw_only=True, eq=False)
class VideoJob(Job):
    """A video."""

    order: CreateVideo
    remixed_from_video_id: str | None


class VideosApi(StandIn[VideoJob]):
    """The routes under `/v1`."""

    plays: ClassVar[Plays] = {
        "create": (*ON_CREATE, Fail, MoovLast, VllmFailed),
        "retrieve": ON_RETRIEVE,
        "content": ON_CONTENT,
    }
    id_header = "x-request-id"

    def list_routes(self) -> Sequence[BaseRoute]:
        """List them."""
        return [
            Route("/v1/videos", self._create, methods=["POST"]),
            Route("/v1/videos", self._list, methods=["GET"]),
            Route("/v1/videos/{video_id}", self._retrieve, methods=["GET"]),
            Route("/v1/videos/{video_id}", self._delete, methods=["DELETE"]),
            Route("/v1/videos/{video_id}/content", self._fetch_content, methods=["GET"]),
            Route("/v1/videos/{video_id}/remix", self._remix, methods=["POST"]),
        ]

    def authorize(self, request: Request) -> None:
        """Ask for the key."""
        authorization = request.headers.get("authorization")
        if authorization is None:
            raise _refuse(401, "You didn't provide an API key. Send it as 'Authorization: Bearer YOUR_KEY'.")
        if authorization != f"Bearer {API_KEY}":
            raise _refuse(401, "Incorrect API key provided.", code="invalid_api_key")

    def refuse(self, status: int, message: str) -> Refusal:
        """Use OpenAI's envelope."""
        return _refuse(status, message)

    async def _create(self, request: Request) -> Response:
        order, has_reference = await _read_create(request)
        self.note(request, input_reference=has_reference)
        return await self._start(request, order)

    async def _remix(self, request: Request) -> Response:
        source = self._find_completed(request)
        prompt = _validate(_RemixVideo, await _read_json(request)).prompt
        return await self._start(request, source.order.model_copy(update={"prompt": prompt}), source.id)

    async def _start(self, request: Request, order: CreateVideo, remixed_from: str | None = None) -> Response:
        action = self.begin(request, "create", order.prompt, prompt=order.prompt, video_id=None)
        job = VideoJob(
            id=f"video_{uuid.uuid4().hex}",
            prompt=order.prompt,
            render=self.draw(order.prompt, order.clip, faststart=not isinstance(action, MoovLast)),
            fault=action,
            order=order,
            remixed_from_video_id=remixed_from,
        )
        # As it was accepted, whatever the clock does meanwhile: a create answers `queued`.
        video = self._describe(self.accept(request, job))
        await self.finish(action)
        return self._show(video)

    async def _retrieve(self, request: Request) -> Response:
        job = self._find(request)
        action = await self.begin_reading(request, "retrieve", job)
        video = self._describe(job)
        if isinstance(action, ShowStatus):
            video["status"] = action.status
        if video["error"] is not None and isinstance(job.fault, VllmFailed):
            error = {"code": job.fault.code, "message": job.fault.message}
            return JSONResponse({**video, "error": error}, job.fault.status)
        return self._show(video)

    async def _list(self, request: Request) -> Response:
        query = _validate(_ListVideos, request.query_params)
        jobs = list(self.jobs.values())
        if query.order == "desc":
            jobs.reverse()
        if query.after is not None:
            ids = [job.id for job in jobs]
            if query.after not in ids:
                raise _refuse(400, f"No such video: '{query.after}'.", param="after", code="invalid_value")
            jobs = jobs[ids.index(query.after) + 1 :]
        data = [self._describe(job) for job in jobs[: query.limit]]
        first_id, last_id = (data[0]["id"], data[-1]["id"]) if data else (None, None)
        page = {"object": "list", "data": data, "first_id": first_id, "last_id": last_id}
        return JSONResponse({**page, "has_more": len(jobs) > len(data)})

    async def _delete(self, request: Request) -> Response:
        job = self._find(request)
        if self.find_phase(job) != "ended":
            raise _refuse(400, "A video cannot be deleted before it has ended.")
        del self.jobs[job.id]
        return JSONResponse({"id": job.id, "object": "video.deleted", "deleted": True})

    async def _fetch_content(self, request: Request) -> Response:
        job = self._find_completed(request)
        _validate(_FetchContent, request.query_params)
        return self.send_clip(job, await self.begin_reading(request, "content", job))

    def _find(self, request: Request) -> VideoJob:
        video_id = request.path_params["video_id"]
        job = self.find(request, video_id)
        if job is None:
            raise _refuse(404, f"Video with id '{video_id}' not found.", param="video_id")
        return job

    def _find_completed(self, request: Request) -> VideoJob:
        job = self._find(request)
        if self._describe(job)["status"] != "completed":
            raise _refuse(404, "Video is not ready yet, use GET /v1/videos/{video_id} to check status.")
        return job

    def _describe(self, job: VideoJob) -> Body:
        """Show a job as OpenAI's Video object. Times are Unix seconds; `progress` is a percentage."""
        phase = self.find_phase(job)
        video: Body = {
            "id": job.id,
            "object": "video",
            "status": "in_progress" if phase == "running" else "queued",
            "progress": 0 if phase == "queued" else int(100 * self.find_progress(job)),
            "model": job.order.model,
            "created_at": int(job.created_at),
            "completed_at": None,
            "expires_at": None,
            "seconds": job.order.seconds,
            "size": job.order.size,
            "prompt": job.prompt,
            "remixed_from_video_id": job.remixed_from_video_id,
            "error": None,
        }
        if phase == "ended" and isinstance(job.fault, Fail | VllmFailed):
            video |= {"status": "failed", "error": {"code": str(job.fault.code), "message": job.fault.message}}
        elif phase == "ended":
            ended_at = int(self.find_end(job))
            expires_at = ended_at + _ASSET_LIFETIME_SECONDS
            video |= {"status": "completed", "progress": 100, "completed_at": ended_at, "expires_at": expires_at}
        return video

    def _show(self, video: Body) -> Response:
        poll_after_ms = max(100, int(self.render_seconds * 100))
        return JSONResponse(video, headers={"openai-poll-after-ms": str(poll_after_ms)})


def _refuse(status: int, message: str, *, param: str | None = None, code: str | None = None) -> Refusal:
    error: Body = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return Refusal(status, {"error": error})


async def _read_create(request: Request) -> tuple[CreateVideo, bool]:
    """Read `POST /videos`, multipart or JSON; tell whether a reference image came with it."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip()
    if content_type == "multipart/form-data":
        fields, image = await _read_form(request)
    elif content_type == "application/json":
        fields, image = await _read_json(request), None
    else:
        takes = "This method accepts multipart/form-data or application/json."
        raise _refuse(400, f"Unsupported content type: '{content_type}'. {takes}", code="unsupported_content_type")
    order = _validate(CreateVideo, fields)
    if order.model not in _MODELS:
        raise _refuse(404, f"The model '{order.model}' does not exist.", param="model", code="model_not_found")
    if order.size in _PRO_SIZES and not order.model.startswith("sora-2-pro"):
        message = f"Invalid value: '{order.size}'. Supported values are: '720x1280' and '1280x720'."
        raise _refuse(400, message, param="size", code="invalid_value")
    if image is not None:
        _check_image(*image, order.clip)
    return order, image is not None or order.input_reference is not None


async def _read_json(request: Request) -> Body:
    try:
        fields = json.loads(await request.body())
    except ValueError as error:
        raise _refuse(400, "The body of the request is not valid JSON.") from error
    if not isinstance(fields, dict):
        raise _refuse(400, "The body of the request is not a JSON object.")
    return fields


async def _read_form(request: Request) -> tuple[Body, tuple[str | None, bytes] | None]:
    """Split a form into its text fields and the uploaded image."""
    fields: Body = {}
    image: tuple[str | None, bytes] | None = None
    async with request.form() as form:
        for name, value in form.multi_items():
            if isinstance(value, str):
                if name.startswith("input_reference[") and name.endswith("]"):
                    fields["input_reference"] = {name.removeprefix("input_reference[").removesuffix("]"): value}
                else:
                    fields[name] = value
            elif name == "input_reference":
                image = value.content_type, await value.read()
            else:
                raise _refuse(400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    return fields, image


ModelT = TypeVar("ModelT", bound=BaseModel)


def _validate(model: type[ModelT], fields: Mapping[str, JsonValue]) -> ModelT:
    """Check fields against a model; refuse the first that is wrong in OpenAI's words."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        param = ".".join(str(part) for part in first["loc"])
        code = _VALIDATION_CODES.get(first["type"], "invalid_value")
        if first["type"] == "literal_error" and not isinstance(first["input"], str):
            # `"seconds": 4` is refused: the numbers are strings on this wire.
            code = "invalid_type"
        messages = {
            "missing_required_parameter": f"Missing required parameter: '{param}'.",
            "unknown_parameter": f"Unknown parameter: '{param}'.",
        }
        message = messages.get(code, f"Invalid '{param}': {first['msg']}.")
        raise _refuse(400, message, param=param, code=code) from error


def _check_image(content_type: str | None, content: bytes, clip: Clip) -> None:
    """Refuse an image of another type or size than the video, as OpenAI does."""
    if content_type not in _IMAGE_TYPES:
        takes = "Supported file formats are 'image/jpeg', 'image/png', and 'image/webp'."
        message = f"Invalid file 'input_reference': unsupported mimetype ('{content_type}'). {takes}"
        raise _refuse(400, message, param="input_reference", code="unsupported_file_mimetype")
    try:
        with Image.open(io.BytesIO(content)) as picture:
            size = picture.size
    except UnidentifiedImageError as error:
        raise _refuse(400, "Invalid image file.", param="input_reference", code="invalid_image_file") from error
    if size != (clip.width, clip.height):
        raise _refuse(400, "Inpaint image must match the requested width and height", param="input_reference")


def create_app(*, render_seconds: float = 3.0, clock: Callable[[], float] = time.time) -> Starlette:
    """Build the stand-in."""
    return VideosApi(render_seconds=render_seconds, clock=clock).build_app()


if __name__ == "__main__":
    run(create_app, base_path="/v1", render_seconds=3.0)

"""A stand-in for Runway's API: `python -m sandbox.runway --port 0`.

Written on 2026-11-23 from the types of runwayml 5.24.0 and from docs.dev.runwayml.com (assets/inputs, assets/outputs,
errors/errors). It has one model, gen4.5; any other, and any field it does not have, is refused. That null is refused,
which the SDK's types do not have, is a guess.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import secrets
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.engine import Body, Clip, Job, Refusal, StandIn, find_origin
from sandbox.faults import ON_CONTENT, ON_CREATE, ON_RETRIEVE, Action, ExpiredUrl, Plays, ShowStatus
from sandbox.serving import run

API_KEY = "key_runway-sandbox"
API_VERSION = "2024-11-06"
# Runway's last between this and the double: docs.dev.runwayml.com/assets/outputs.
OUTPUT_LIFETIME_SECONDS = 24 * 3600

# Of gen4.5; a credit is a cent.
_CREDITS_PER_SECOND = 12
_MAX_URL_CHARACTERS = 2048
# Of the data URI as it is sent, so an image may be 3.3 MB or so: docs.dev.runwayml.com/assets/inputs.
_MAX_DATA_URI_BYTES = 5 * 1024 * 1024
_IMAGE_TYPES = ("image/jpeg", "image/jpg", "image/png", "image/webp")
# What was blocked is charged; any other failure is paid back.
_CHARGED_FAILURES = ("SAFETY", "INPUT_PREPROCESSING.SAFETY")


class FailTask(Action):
    """Accept the task, and let it fail where it would have succeeded. The code may be null, as Runway's may."""

    type: Literal["fail"] = "fail"
    failure: str = "The task failed."
    failure_code: str | None = Field(default=None, validation_alias=AliasChoices("failureCode", "failure_code"))


class CancelTask(Action):
    """Accept the task, and let its owner stop it where it would have succeeded."""

    type: Literal["cancelled"] = "cancelled"


class ThrottleTask(Action):
    """Accept the task, and hold it back for so long, as if others were in its way."""

    type: Literal["throttled_for"] = "throttled_for"
    seconds: float = Field(gt=0)


def _check_prompt(text: str) -> str:
    if not 1 <= len(text.encode("utf-16-le")) // 2 <= 1000:
        raise ValueError("must be a non-empty string of at most 1000 UTF-16 code units")
    return text


def _check_image(uri: str) -> str:
    """Refuse an address that Runway would not fetch. The stand-in fetches none."""
    if uri.startswith("data:"):
        head, _, content = uri.partition(",")
        media_type, _, encoding = head.removeprefix("data:").partition(";")
        if media_type not in _IMAGE_TYPES or encoding != "base64":
            raise ValueError("Unsupported asset type: a data URI must tell the media type of what it encodes.")
        if len(uri) >= _MAX_DATA_URI_BYTES:
            raise ValueError("The data URI is too long: it must be under 5MB.")
        try:
            base64.b64decode(content, validate=True)
        except binascii.Error as error:
            raise ValueError("Invalid data URI.") from error
        return uri
    address = urlsplit(uri)
    if address.scheme == "runway" and address.netloc:
        return uri
    if len(uri) > _MAX_URL_CHARACTERS:
        raise ValueError(f"URLs must not be longer than {_MAX_URL_CHARACTERS} characters.")
    if address.scheme != "https":
        raise ValueError("Only HTTPS URLs are allowed.")
    if not address.hostname or _is_ip_address(address.hostname):
        raise ValueError("URLs must be hosted on a domain.")
    return uri


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class _Given(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)

    @model_validator(mode="before")
    @classmethod
    def _refuse_nulls(cls, fields: object) -> object:
        if isinstance(fields, dict) and None in fields.values():
            raise ValueError("a field that is not wanted is left out, not null")
        return fields


class _Image(_Given):
    """The image a clip starts from."""

    uri: Annotated[str, AfterValidator(_check_image)]
    position: Literal["first"]


class _ContentModeration(_Given):
    public_figure_threshold: Literal["auto", "low"] = "auto"


class TextToVideo(_Given):
    """The body of `POST /v1/text_to_video`."""

    model: Literal["gen4.5"]
    prompt_text: Annotated[str, AfterValidator(_check_prompt)]
    ratio: Literal["1280:720", "720:1280"]
    duration: Annotated[int, Field(strict=True, ge=2, le=10)]
    seed: Annotated[int, Field(strict=True, ge=0, le=4_294_967_295)] | None = None
    content_moderation: _ContentModeration | None = None

    @property
    def clip(self) -> Clip:
        """Give the clip that is asked for."""
        width, height = self.ratio.split(":")
        return Clip(int(width), int(height), self.duration)


def _list_images(value: object) -> object:
    """Read the short form, one address, as what it stands for: the first frame."""
    return [{"uri": value, "position": "first"}] if isinstance(value, str) else value


class ImageToVideo(TextToVideo):
    """The body of `POST /v1/image_to_video`."""

    prompt_image: Annotated[tuple[_Image], BeforeValidator(_list_images)]
    ratio: Literal["1280:720", "720:1280", "1104:832", "960:960", "832:1104", "1584:672"]  # type: ignore[assignment]


_BODIES: dict[str, type[TextToVideo]] = {"text_to_video": TextToVideo, "image_to_video": ImageToVideo}


@dataclass(kw_only=True, eq=False)
class Task(Job):
    """A task."""

    credits: int


class Runway(StandIn[Task]):
    """The routes under `/v1`, and `/outputs`, where at Runway another host answers, of a CDN."""

    plays: ClassVar[Plays] = {
        "create": (*ON_CREATE, FailTask, CancelTask, ThrottleTask),
        "retrieve": ON_RETRIEVE,
        "content": (*ON_CONTENT, ExpiredUrl),
    }

    def reset(self) -> None:
        """Forget tasks, faults, calls and addresses."""
        super().reset()
        # The tokens given out, with the task each is for and when it expires.
        self._tokens: dict[str, tuple[str, float]] = {}

    def list_routes(self) -> Sequence[BaseRoute]:
        """List them."""
        return [
            *(Route(f"/v1/{kind}", self._create, methods=["POST"]) for kind in _BODIES),
            Route("/v1/tasks/{task_id}", self._retrieve, methods=["GET"]),
            Route("/v1/tasks/{task_id}", self._delete, methods=["DELETE"]),
            Route("/outputs/{task_id}/0.mp4", self._fetch, methods=["GET"]),
        ]

    def authorize(self, request: Request) -> None:
        """Ask for the key and for the version of the API; an output takes no key but the token in its address."""
        if request.url.path.startswith("/outputs/"):
            if "authorization" in request.headers:
                # A client that sends the key to an address that came in an answer gives it away.
                raise self.refuse(400, "Only one auth mechanism is allowed: the address holds the token, send no key.")
            return
        if request.headers.get("authorization") != f"Bearer {API_KEY}":
            raise self.refuse(401, "The provided API key is not valid.")
        if request.headers.get("x-runway-version") != API_VERSION:
            raise self.refuse(400, f"The header X-Runway-Version must name a version of the API: {API_VERSION}.")

    def refuse(self, status: int, message: str) -> Refusal:
        """Give the message as `error`."""
        return Refusal(status, {"error": message})

    async def _create(self, request: Request) -> Response:
        kind = request.url.path.rpartition("/")[2]
        given = self._read(kind, await request.body())
        prompt = given.prompt_text
        facts: Body = {"prompt": prompt, "input_reference": kind == "image_to_video"}
        action = self.begin(request, "create", prompt, **facts)
        task = Task(
            id=str(uuid.uuid4()),
            prompt=prompt,
            render=self.draw(prompt, given.clip),
            fault=action,
            held_until=self.clock() + action.seconds if isinstance(action, ThrottleTask) else 0.0,
            credits=given.duration * _CREDITS_PER_SECOND,
        )
        self.accept(request, task)
        await self.finish(action)
        return JSONResponse({"id": task.id, "estimatedCost": {"credits": task.credits}})

    async def _retrieve(self, request: Request) -> Response:
        task = self._find(request)
        action = await self.begin_reading(request, "retrieve", task)
        view = self._describe(task, find_origin(request))
        return JSONResponse({**view, "status": action.status} if isinstance(action, ShowStatus) else view)

    async def _delete(self, request: Request) -> Response:
        """Cancel a task that has not ended, or delete one that has."""
        del self.jobs[self._find(request).id]
        return Response(status_code=204)

    async def _fetch(self, request: Request) -> Response:
        task, token = self._find(request), request.query_params.get("_jwt", "")
        self._check_token(task, token)
        action = await self.begin_reading(request, "content", task)
        if isinstance(action, ExpiredUrl):
            # The task's next answer has another address.
            del self._tokens[token]
            self._check_token(task, token)
        return self.send_clip(task, action)

    def _read(self, kind: str, body: bytes) -> TextToVideo:
        try:
            return _BODIES[kind].model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or "body"
            raise self.refuse(400, f"Validation of body failed: {field}: {first['msg']}") from error

    def _find(self, request: Request) -> Task:
        task = self.find(request, request.path_params["task_id"])
        if task is None:
            raise self.refuse(404, "The task does not exist.")
        return task

    def _describe(self, task: Task, origin: str) -> Body:
        """Show a task, with a fresh address where it has an output; `progress` is from 0 to 1."""
        phase = self.find_phase(task)
        view: Body = {"id": task.id, "createdAt": datetime.fromtimestamp(task.created_at, UTC).isoformat()}
        if phase != "ended":
            view["estimatedCost"] = {"credits": task.credits}
            if phase == "running":
                return {**view, "status": "RUNNING", "progress": round(self.find_progress(task), 2)}
            return {**view, "status": "THROTTLED" if phase == "waiting" else "PENDING"}
        view["cost"] = {"credits": self._charge(task)}
        match task.fault:
            case FailTask(failure=failure, failure_code=code):
                return {**view, "status": "FAILED", "failure": failure, "failureCode": code}
            case CancelTask():
                return {**view, "status": "CANCELLED"}
        url = f"{origin}/outputs/{task.id}/0.mp4?_jwt={self._issue_token(task)}"
        return {**view, "status": "SUCCEEDED", "output": [url]}

    def _charge(self, task: Task) -> int:
        """Give the credits it costs: those it was estimated at, unless it failed for no fault of the client's."""
        if isinstance(task.fault, FailTask):
            return task.credits if (task.fault.failure_code or "").startswith(_CHARGED_FAILURES) else 0
        return task.credits

    def _check_token(self, task: Task, token: str) -> None:
        task_id, expires_at = self._tokens.get(token, ("", 0.0))
        if task_id != task.id or self.clock() >= expires_at:
            raise self.refuse(403, "The URL has expired or its signature is wrong.")

    def _issue_token(self, task: Task) -> str:
        """Make a token that looks like a signed one; what it is good for is remembered here."""
        expires_at = self.clock() + OUTPUT_LIFETIME_SECONDS
        header = _encode({"alg": "HS256", "typ": "JWT"})
        payload = _encode({"keyHash": secrets.token_hex(8), "bucket": "sandbox", "exp": int(expires_at)})
        token = f"{header}.{payload}.{secrets.token_urlsafe(32)}"
        self._tokens[token] = (task.id, expires_at)
        return token


def _encode(claims: dict[str, str | int]) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")


def create_app(
    *, render_seconds: float = 3.0, max_concurrent: int = 5, clock: Callable[[], float] = time.time
) -> Starlette:
    """Build the stand-in; `max_concurrent` tasks have a place at once, those beyond are THROTTLED."""
    return Runway(render_seconds=render_seconds, max_concurrent=max_concurrent, clock=clock).build_app()


if __name__ == "__main__":
    run(create_app, base_path="", render_seconds=3.0, max_concurrent=5)

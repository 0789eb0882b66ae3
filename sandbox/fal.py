"""A stand-in for fal's queue of video models: `python -m sandbox.fal --port 0`.

Written on 2026-11-23 from fal.ai/docs (inference-api/queue, documentation/model-apis/{inference/queue, errors,
request-errors}) and from fal-client 1.0.3. A request to the queue is called a job here.
"""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field, JsonValue, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.engine import Body, Job, Refusal, StandIn, find_origin
from sandbox.fal_models import MODELS, Input
from sandbox.fal_webhook import WebhookSender
from sandbox.faults import (
    ON_CONTENT,
    ON_CREATE,
    ON_RETRIEVE,
    Action,
    Delay,
    Drop,
    ExpiredUrl,
    Plays,
    Respond,
    ShowStatus,
)
from sandbox.serving import run

API_KEY = "sandbox-key-id:sandbox-key-secret"

# How often a webhook that waits for its job looks whether it has ended.
_LOOK_SECONDS = 0.05
_SEED = 1_234_567
_CANCEL_ANSWERS = {"OK": 200, "CANCELLATION_REQUESTED": 202, "ALREADY_COMPLETED": 400, "NOT_FOUND": 404}


class ExhaustedBalance(Action):
    """Refuse the submit as fal does when the prepaid balance is used up; requests under way go on."""

    type: Literal["exhausted_balance"] = "exhausted_balance"


class FailModel(Action):
    """Complete the request, and give as its result what a model found wrong: by default, that it is not allowed."""

    type: Literal["fail_model"] = "fail_model"
    status: int = Field(default=422, ge=400, le=599)
    error_type: str = "content_policy_violation"
    message: str = "The content could not be processed because it contained material flagged by a content checker."


class FailRequest(Action):
    """Complete the request, and give as its result that it did not get through its model."""

    type: Literal["fail_request"] = "fail_request"
    status: int = Field(default=504, ge=400, le=599)
    error_type: str = "request_timeout"
    message: str = "Request timed out"


class IgnoreCancel(Action):
    """Accept the request, and go on with it though it is cancelled while a runner has it, as many models do."""

    type: Literal["ignore_cancel"] = "ignore_cancel"


class Duplicate(Action):
    """Send the webhook twice, though it was taken the first time."""

    type: Literal["duplicate"] = "duplicate"


class Unsigned(Action):
    """Send the webhook without its signature, as anyone could."""

    type: Literal["unsigned"] = "unsigned"


def _find_app(path: str) -> str:
    """Give the application that a path belongs to: its owner and alias, which is all the queue knows of a model."""
    return "/".join(path.split("/")[:2])


_APPS = frozenset(map(_find_app, MODELS))


@dataclass(frozen=True, slots=True)
class _Failure:
    """The result of a request that was completed without a video."""

    status: int
    message: str
    error_type: str | None
    body: Body


@dataclass(kw_only=True, eq=False)
class FalJob(Job):
    """A request to the queue; `refused` is the result of one whose input its model does not take."""

    app: str
    file_path: str
    tells_seed: bool = False
    refused: _Failure | None = None

    @property
    def failure(self) -> _Failure | None:
        """Give why a completed job has no video."""
        if self.cancelled_at is not None:
            return _fail_request(499, "The request was cancelled.", "client_cancelled")
        match self.fault:
            case FailModel(status=status, error_type=error_type, message=message) if self.refused is None:
                return _fail_model(status, [_build_detail(error_type, message, ("body", "prompt"), self.prompt)])
            case FailRequest(status=status, error_type=error_type, message=message) if self.refused is None:
                return _fail_request(status, message, error_type)
        return self.refused


class Fal(StandIn[FalJob]):
    """The queue, and `/files`, where at fal another host answers, of a CDN. The places are the account's."""

    plays: ClassVar[Plays] = {
        "create": (*ON_CREATE, ExhaustedBalance, FailModel, FailRequest, IgnoreCancel),
        "retrieve": ON_RETRIEVE,
        "result": (Respond, Delay, Drop),
        "content": (*ON_CONTENT, ExpiredUrl),
        # `drop` sends none. With `delay` on create the webhook comes before the ticket.
        "webhook": (Drop, Duplicate, Unsigned),
    }

    def __init__(self, *, render_seconds: float, max_concurrent: int, clock: Callable[[], float]) -> None:
        self._webhooks = WebhookSender(clock)
        # asyncio itself keeps no hold of its tasks.
        self._watches: set[asyncio.Task[None]] = set()
        super().__init__(render_seconds=render_seconds, max_concurrent=max_concurrent, clock=clock)

    def reset(self) -> None:
        """Forget jobs, faults, calls and files."""
        super().reset()
        self._expired_paths: set[str] = set()

    def list_routes(self) -> Sequence[BaseRoute]:
        """List them."""
        job = "/{owner}/{alias}/requests/{request_id}"
        return [
            Route("/.well-known/jwks.json", self._show_keys, methods=["GET"]),
            Route("/files/b/{prefix}/{name}", self._fetch, methods=["GET"]),
            Route(f"{job}/status", self._show_status, methods=["GET"]),
            Route(f"{job}/cancel", self._cancel, methods=["PUT"]),
            Route(job, self._show_result, methods=["GET"]),
            Route("/{model_id:path}", self._submit, methods=["POST"]),
        ]

    def authorize(self, request: Request) -> None:
        """Refuse an application that is not there, then a wrong key, before the method or the rest of the path.

        The sentences were seen on the live API. Files and keys are public.
        """
        path = request.url.path
        if path.startswith("/files/"):
            if "authorization" in request.headers:
                # A client that sends the key to an address that came in an answer gives it away.
                raise self.refuse(400, "The files are public: send no key.")
            return
        if path.startswith("/.well-known/"):
            return
        app = _find_app(path.removeprefix("/"))
        if app not in _APPS:
            raise self.refuse(404, f'Application "{app.rpartition("/")[2]}" not found')
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme != "Key":
            sentence = f'Cannot access application "{app}". Authentication is required to access this application.'
            raise self.refuse(401, sentence)
        if key != API_KEY:
            raise self.refuse(401, "No user found for Key ID and Secret")

    def refuse(self, status: int, message: str) -> Refusal:
        """Give the message as `detail`."""
        return Refusal(status, {"detail": message})

    async def _show_keys(self, _: Request) -> Response:
        return JSONResponse(self._webhooks.describe_keys())

    async def _submit(self, request: Request) -> Response:
        """Answer IN_QUEUE, whatever the input is."""
        model_id = request.path_params["model_id"]
        given = _read_input(model_id, await request.body())
        prompt, has_image = "", False
        if isinstance(given, Input):
            prompt, has_image = given.prompt or "", model_id.endswith("/image-to-video")
            self.note(request, prompt=prompt, input_reference=has_image)
        action = self.begin(request, "create", prompt)
        if isinstance(action, ExhaustedBalance):
            sentence = "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing."
            raise self.refuse(403, sentence)
        job = FalJob(
            id=str(uuid.uuid4()),
            prompt=prompt,
            render=self.draw(prompt, given.clip) if isinstance(given, Input) else None,
            fault=action,
            app=_find_app(model_id),
            file_path=f"/files/b/{secrets.token_hex(4)}/{secrets.token_urlsafe(16)}_output.mp4",
            tells_seed=given.tells_seed if isinstance(given, Input) else False,
            refused=given if isinstance(given, _Failure) else None,
        )
        self.accept(request, job)
        if webhook_url := request.query_params.get("fal_webhook"):
            watch = asyncio.create_task(self._watch(job, webhook_url, find_origin(request)))
            self._watches.add(watch)
            watch.add_done_callback(self._watches.discard)
        accepted = self._describe(job, find_origin(request))
        await self.finish(action)
        return JSONResponse(accepted, headers={"x-fal-request-id": job.id})

    async def _watch(self, job: FalJob, webhook_url: str, origin: str) -> None:
        """Send the webhook of a job once it has ended; a reset takes the job away."""
        while job.id in self.jobs and self.find_phase(job) != "ended":
            await asyncio.sleep(_LOOK_SECONDS)
        if job.id not in self.jobs:
            return
        action = self.faults.pick("webhook", job.prompt)
        if isinstance(action, Drop):
            return
        body: Body = {"request_id": job.id, "gateway_request_id": job.id}
        if (failure := job.failure) is not None:
            body |= {"status": "ERROR", "error": f"Invalid status code: {failure.status}", "payload": failure.body}
        else:
            body |= {"status": "OK", "payload": self._describe_output(job, origin)}
        content = JSONResponse(body).body
        for _ in range(2 if isinstance(action, Duplicate) else 1):
            await self._webhooks.send(webhook_url, job.id, bytes(content), is_signed=not isinstance(action, Unsigned))

    async def _show_status(self, request: Request) -> Response:
        job = self._find(request)
        if job is None:
            return JSONResponse({"status": "NOT_FOUND"}, 404)
        action = await self.begin_reading(request, "retrieve", job)
        view = self._describe(job, find_origin(request))
        if isinstance(action, ShowStatus):
            return JSONResponse({**view, "status": action.status})
        return JSONResponse(view, 200 if view["status"] == "COMPLETED" else 202)

    async def _show_result(self, request: Request) -> Response:
        """Answer with what the model answered, its status and all."""
        job = self._find(request)
        if job is None:
            raise self.refuse(404, "Request not found")
        await self.begin_reading(request, "result", job)
        if self.find_phase(job) != "ended":
            raise self.refuse(400, "Request is still in progress")
        headers = {"x-fal-request-id": job.id}
        if (failure := job.failure) is None:
            return JSONResponse(self._describe_output(job, find_origin(request)), headers=headers)
        if failure.error_type is not None:
            headers["x-fal-error-type"] = failure.error_type
        return JSONResponse(failure.body, failure.status, headers)

    async def _cancel(self, request: Request) -> Response:
        """Take a job out of the queue, or tell its runner to stop, which a model need not heed."""
        job = self._find(request)
        phase = None if job is None else self.find_phase(job)
        if job is None or phase == "ended":
            status = "NOT_FOUND" if job is None else "ALREADY_COMPLETED"
        else:
            status = "CANCELLATION_REQUESTED" if phase == "running" else "OK"
            if phase != "running" or not isinstance(job.fault, IgnoreCancel):
                job.cancelled_at = self.clock()
        return JSONResponse({"status": status}, _CANCEL_ANSWERS[status])

    async def _fetch(self, request: Request) -> Response:
        path = request.url.path
        job = next((job for job in self.jobs.values() if job.file_path == path), None)
        if job is None or path in self._expired_paths or job.failure is not None:
            raise self.refuse(404, "File not found")
        self.note(request, video_id=job.id)
        action = await self.begin_reading(request, "content", job)
        if isinstance(action, ExpiredUrl):
            # The result gives no other address.
            self._expired_paths.add(path)
            raise self.refuse(404, "File not found")
        return self.send_clip(job, action)

    def _find(self, request: Request) -> FalJob | None:
        """Find the job of a path, if it was made to this application."""
        job = self.find(request, request.path_params["request_id"])
        return job if job is not None and job.app == _find_app(request.url.path[1:]) else None

    def _list_queue(self) -> list[FalJob]:
        """Give the jobs that wait, the next one first."""
        jobs = list(self.jobs.values())
        return [job for job, phase in zip(jobs, self.list_phases(*jobs), strict=True) if phase in ("waiting", "queued")]

    def _describe(self, job: FalJob, origin: str) -> Body:
        """Show a job as the answers to its submit and its status do; what does not apply is absent.

        The addresses have the application in them, and not the model. `queue_position` is how many requests are ahead.
        COMPLETED is not to say that there is a video.
        """
        url = f"{origin}/{job.app}/requests/{job.id}"
        view: Body = {"request_id": job.id, "gateway_request_id": job.id, "response_url": url}
        view |= {"status_url": f"{url}/status", "cancel_url": f"{url}/cancel"}
        queue = self._list_queue()
        if job in queue:
            return {"status": "IN_QUEUE", **view, "queue_position": queue.index(job)}
        if self.find_phase(job) != "ended":
            return {"status": "IN_PROGRESS", **view, "logs": []}
        view |= {"status": "COMPLETED", "logs": []}
        if (failure := job.failure) is None:
            return {**view, "metrics": {"inference_time": self.render_seconds}}
        return {**view, "error": failure.message, **({"error_type": failure.error_type} if failure.error_type else {})}

    def _describe_output(self, job: FalJob, origin: str) -> Body:
        name, size = job.file_path.rpartition("/")[2], job.clip.path.stat().st_size
        url = f"{origin}{job.file_path}"
        video: Body = {"url": url, "content_type": "video/mp4", "file_name": name, "file_size": size}
        return {"video": video, "seed": _SEED} if job.tells_seed else {"video": video}


def _read_input(model_id: str, body: bytes) -> Input | _Failure:
    """Read the input of a model as its runner does, or give what the runner answers instead.

    The queue looks at neither the path behind the application nor the body: both are accepted, and what is wrong with
    them is the result of the request (seen on the live API: github.com/TanStack/ai/pull/396).
    """
    model = MODELS.get(model_id)
    if model is None:
        return _fail_request(404, f"Path {model_id.removeprefix(_find_app(model_id))} not found", None)
    try:
        return model.model_validate_json(body.decode(errors="replace"))
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        return _fail_model(
            422, [_build_detail(each["type"], each["msg"], ("body", *each["loc"]), each["input"]) for each in found]
        )


def _build_detail(error_type: str, message: str, loc: tuple[str | int, ...], given: JsonValue) -> Body:
    """Build what a model found wrong with what it was given at a place of its input."""
    url = f"https://docs.fal.ai/errors/#{error_type}"
    return {"loc": list(loc), "msg": message, "type": error_type, "url": url, "input": given}


def _fail_model(status: int, details: list[Body]) -> _Failure:
    """Build what a model answers that refused its input, or failed (…/model-apis/errors)."""
    return _Failure(status, str(details[0]["msg"]), str(details[0]["type"]), {"detail": list(details)})


def _fail_request(status: int, message: str, error_type: str | None) -> _Failure:
    """Build what fal answers when a request did not get through its model (…/model-apis/request-errors)."""
    body: Body = {"detail": message} if error_type is None else {"detail": message, "error_type": error_type}
    return _Failure(status, message, error_type, body)


def create_app(
    *, render_seconds: float = 3.0, max_concurrent: int = 10, clock: Callable[[], float] = time.time
) -> Starlette:
    """Build the stand-in; `max_concurrent` requests of the account are worked on at once, at fal 2 to 40."""
    return Fal(render_seconds=render_seconds, max_concurrent=max_concurrent, clock=clock).build_app()


if __name__ == "__main__":
    run(create_app, base_path="", render_seconds=3.0, max_concurrent=10)

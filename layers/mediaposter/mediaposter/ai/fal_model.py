"""Call fal's queue API (https://fal.ai/docs/api-reference/inference-api), which serves most makers' models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Unpack

from mediaposter.ai.catalog import CatalogEntry, FieldMap, ImageRole
from mediaposter.ai.fal_wire import (
    ALREADY_COMPLETED,
    CODES_BY_WORD,
    COMPLETED,
    MAX_PATH_LENGTH,
    STATUSES,
    FalReply,
    FalRequest,
    WireTicket,
    read_status,
    read_ticket,
    translate_result,
)
from mediaposter.ai.http_adapter import AdapterSettings, HttpVideoModel
from mediaposter.ai.video_model_interface import VideoGenerationJob, VideoGenerationRequest, VideoStatus
from mediaposter.ai.webhook_signature import parse_fal_keys, verify_fal_webhook
from mediaposter.domain.errors import ConfigurationError, ErrorCode, VideoModelError, WebhookRejected
from mediaposter.http.outbound import fetch_bytes

# The queue answers here as well, at the same paths and with the same key
# (https://fal.ai/docs/documentation/model-apis/inference/reliability); its responses may name either host.
_QUEUE_HOSTS = frozenset({"queue.fal.run", "queue.falrun.com"})
# fal runs a request again after a fault of its own, up to ten times, unless it is told not to
# (https://fal.ai/docs/documentation/model-apis/inference/reliability): one submission is one render here.
_NO_RETRY: Mapping[str, str] = MappingProxyType({"X-Fal-No-Retry": "1"})

_KEY_SET_PATH = "/.well-known/jwks.json"
KEY_SET_URL = f"https://rest.fal.ai{_KEY_SET_PATH}"
# https://fal.ai/docs/documentation/model-apis/inference/webhooks allows a day.
KEYS_MAX_AGE = timedelta(hours=24)
# Limits how often forged webhooks can make us fetch the keys.
KEYS_FETCH_INTERVAL = timedelta(minutes=1)
MAX_KEY_SET_BYTES = 64 * 1024


class FalVideoModel(HttpVideoModel):
    """A model that fal serves; its row in the catalog defines the request.

    Its addresses come from the row's `fields`; `provider_model` and the request's model are not used.
    """

    provider = "fal"
    default_base_url = "https://queue.fal.run"
    takes_webhook_url = True
    signs_with_secret = False
    key_prefix = "Key "
    codes_by_word = CODES_BY_WORD
    reply_class = FalReply

    def __init__(self, **settings: Unpack[AdapterSettings]) -> None:
        """Take a key, and the address of fal's queue.

        Raises:
            ConfigurationError: `base_url` or `api_key` is invalid, or the row does not define the request.
        """
        super().__init__(**settings)
        self._fields = _check_fields(self.entry)
        self._own_path = f"{self._vendor.base_url.raw_path.decode('ascii').rstrip('/')}/"
        self._keys = _SigningKeys(self._fetch_key_set)

    def create_video(self, request: VideoGenerationRequest) -> VideoGenerationJob:
        """Start a generation, at most once: one HTTP request, without retries."""
        self.check_images(request)
        if request.last_frame_image is not None and request.input_image is None:
            raise VideoModelError(
                ErrorCode.INVALID_REQUEST,
                f"{self.model_variant} takes a last frame only together with a first one; nothing was submitted.",
            )
        endpoint = self._fields.text_to_video
        if request.input_image is not None and self._fields.image_to_video is not None:
            endpoint = self._fields.image_to_video
        params = {"fal_webhook": request.webhook_url} if request.webhook_url else None
        reply = self._vendor.submit(f"/{endpoint}", json=self._describe(request), params=params, headers=_NO_RETRY)
        return VideoGenerationJob(
            job_id=self._keep_paths(self._read_started(reply, read_ticket), endpoint).job_id,
            status=VideoStatus.QUEUED,
            retry_after_seconds=reply.retry_after_seconds,
        )

    def get_status(self, job_id: str) -> VideoGenerationJob:
        """Get the status of a generation.

        fal has no status for failed requests, only for completed ones: the result tells. fal reports no cost.
        """
        request = FalRequest.from_job_id(job_id)
        reply = self._vendor.ask("GET", request.status_path)
        status = self._read_answer(reply, read_status)
        if status.status != COMPLETED:
            return VideoGenerationJob(
                job_id=job_id,
                status=STATUSES.get(status.status, VideoStatus.IN_PROGRESS),
                retry_after_seconds=reply.retry_after_seconds,
            )
        result = self._vendor.ask("GET", request.response_path)
        job = translate_result(status, result, self._errors, job_id=job_id)
        if job is None:
            raise self._errors.refuse_question(result)
        return job

    def cancel_video(self, job_id: str) -> None:
        """Stop a generation that has not ended; if it already runs and its model cannot stop, it goes on."""
        self._require("cancel_video", offered=self.capabilities.cancel)
        reply = self._vendor.ask("PUT", FalRequest.from_job_id(job_id).cancel_path)
        if reply.is_success:
            return
        status = read_status(reply.body)
        if status is not None and status.status == ALREADY_COMPLETED:
            raise VideoModelError(
                ErrorCode.INVALID_REQUEST,
                "The generation has ended already; there is nothing to cancel.",
                request_id=reply.request_id,
            )
        raise self._errors.refuse_question(reply)

    def parse_webhook(
        self,
        headers: Mapping[str, str],
        body: bytes,
        *,
        secrets: Sequence[str] = (),
        now: datetime,
    ) -> str:
        """Verify a webhook from fal by fal's own keys, and return the id of its request.

        Any fal customer can name our address in a submission: a genuine webhook of fal may be about another customer's
        request.

        Raises:
            WebhookRejected: it is unsigned or stale, or not signed by fal.
            VideoModelError: fal's keys could not be fetched; fal sends the call again.
        """
        self._require("parse_webhook", offered=self.capabilities.webhook)
        return self._keys.verify(headers, body, now=now)

    def webhook_key(self, job_id: str) -> str:
        """Return the request id that fal's webhooks use."""
        return FalRequest.from_job_id(job_id).request_id

    def _describe(self, request: VideoGenerationRequest) -> Mapping[str, object]:
        """Translate the request into the model's own fields."""
        fields = self._fields
        shape = self.find_shape(request.size)
        body: dict[str, object] = {
            **self.check_options(request),
            **fields.fixed,
            "prompt": request.prompt,
            fields.duration: _write_seconds(request.duration_seconds, fields),
        }
        if fields.resolution is not None:
            body[fields.resolution] = shape.resolution
        if fields.aspect_ratio is not None and (request.input_image is None or fields.image_aspect_ratio):
            body[fields.aspect_ratio] = shape.aspect_ratio
        if request.input_image is not None:
            body[fields.first_frame] = self._read_image(request.input_image).data_uri
        if request.last_frame_image is not None and fields.last_frame is not None:
            body[fields.last_frame] = self._read_image(request.last_frame_image).data_uri
        return body

    def _keep_paths(self, ticket: WireTicket, endpoint: str) -> FalRequest:
        """Take the paths of the addresses that fal returned; the documented path replaces an unusable one.

        The request is accepted and paid for, so a bad address must not lose it.
        """
        app = "/".join(endpoint.split("/")[:2])
        documented = f"/{app}/requests/{ticket.request_id}"
        return FalRequest(
            request_id=ticket.request_id,
            status_path=self._find_path(ticket.status_url) or f"{documented}/status",
            response_path=self._find_path(ticket.response_url) or documented,
            cancel_path=self._find_path(ticket.cancel_url) or f"{documented}/cancel",
        )

    def _find_path(self, address: str | None) -> str | None:
        """Return the path of a queue address, below `base_url`: the key goes to no other host."""
        if address is None or "://" not in address:
            return None
        try:
            url = self._vendor.join(address)
        except VideoModelError:
            # Treat an invalid URL like a missing one.
            return None
        path = url.raw_path.decode("ascii")
        if len(path) > MAX_PATH_LENGTH:
            return None
        if self._vendor.is_own(url):
            return f"/{path.removeprefix(self._own_path).lstrip('/')}"
        is_queue = url.scheme == "https" and not url.userinfo and url.netloc.decode("ascii") in _QUEUE_HOSTS
        return path if is_queue else None

    def _fetch_key_set(self) -> bytes:
        """Fetch fal's public keys; a stand-in for its queue also serves them."""
        if self._vendor.base_url.host not in _QUEUE_HOSTS:
            return self._order("GET", _KEY_SET_PATH).content
        return fetch_bytes(
            KEY_SET_URL,
            max_bytes=MAX_KEY_SET_BYTES,
            timeout_seconds=self._vendor.timeout_seconds,
            internet=self._vendor.internet,
        )

    def _report_expired(self, sentence: str) -> VideoModelError:
        return VideoModelError(
            ErrorCode.EXPIRED,
            f"{sentence} fal keeps a file for as long as the account's settings say, and gives no other URL for it.",
        )


class _SigningKeys:
    """fal's public keys for its webhooks, fetched when a webhook arrives."""

    def __init__(self, fetch_key_set: Callable[[], bytes]) -> None:
        self._fetch_key_set = fetch_key_set
        self._keys: tuple[bytes, ...] = ()
        self._fetched_at: datetime | None = None
        self._asked_at: datetime | None = None

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> str:
        """Return the request id of a webhook; fetch the keys again if fal may have changed them."""
        has_keys = self._fetched_at is not None and now - self._fetched_at < KEYS_MAX_AGE
        may_fetch = self._asked_at is None or now - self._asked_at >= KEYS_FETCH_INTERVAL
        if has_keys:
            try:
                return verify_fal_webhook(headers, body, keys=self._keys, now=now)
            except WebhookRejected:
                if not may_fetch:
                    raise
        elif not may_fetch:
            raise VideoModelError(
                ErrorCode.PROVIDER_ERROR,
                "fal's public keys could not be fetched a moment ago, so its webhook was not verified; nothing was "
                "done. fal sends it again.",
                transient=True,
                retry_after_seconds=KEYS_FETCH_INTERVAL.total_seconds(),
            )
        self._fetch(now)
        return verify_fal_webhook(headers, body, keys=self._keys, now=now)

    def _fetch(self, now: datetime) -> None:
        # Set before the call, so that a failed call is not repeated at once either.
        self._asked_at = now
        try:
            content = self._fetch_key_set()
        except VideoModelError as error:
            raise VideoModelError(
                ErrorCode.PROVIDER_ERROR,
                f"fal's public keys could not be fetched, so its webhook was not verified; nothing was done. fal sends "
                f"it again. {error.__cause__ or error}",
                transient=True,
            ) from error
        self._keys = parse_fal_keys(content)
        self._fetched_at = now


def _check_fields(entry: CatalogEntry) -> FieldMap:
    """Refuse a row that does not define the request to its model."""
    if entry.fields is None:
        raise ConfigurationError(
            f"The catalog does not say how fal serves {entry.name}: add a table `fields` to its row."
        )
    if ImageRole.LAST_FRAME in entry.capabilities.image_roles and entry.fields.last_frame is None:
        raise ConfigurationError(
            f"The catalog says that {entry.name} takes a last frame, but not in which field: add `last_frame` to the "
            "`fields` of its row."
        )
    return entry.fields


def _write_seconds(seconds: int, fields: FieldMap) -> int | str:
    match fields.duration_form:
        case "number":
            return seconds
        case "text":
            return str(seconds)
        case "text_with_unit":
            return f"{seconds}s"

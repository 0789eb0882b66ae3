"""The base of the video models behind a vendor's HTTP API; such a model says only what is its vendor's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import ClassVar, Required, TypedDict

import httpx

from mediaposter.ai.catalog import CatalogEntry
from mediaposter.ai.provider_errors import ProviderErrors
from mediaposter.ai.reference_image import ReferenceImage, read_reference_image
from mediaposter.ai.video_model_interface import VideoModelInterface
from mediaposter.domain.errors import ErrorCode, VideoModelError
from mediaposter.http.addresses import parse_base_url
from mediaposter.http.outbound import PUBLIC_INTERNET, PublicInternet
from mediaposter.http.reply import Reply, WireT
from mediaposter.http.vendor import ClientTransport, Vendor
from mediaposter.media.video_stream import VideoStream


class AdapterSettings(TypedDict, total=False):
    """The arguments of `HttpVideoModel`, for the models that add a check of their own."""

    entry: Required[CatalogEntry]
    api_key: str
    base_url: str
    http_client: httpx.Client | None
    timeout_seconds: float
    internet: PublicInternet


class HttpVideoModel(VideoModelInterface):
    """A model behind a vendor's HTTP API.

    The key goes to the origin of `base_url` only. A paid POST is sent once, and every call has a deadline.
    """

    # An example of `base_url` for its error message, where the vendor has no server of its own.
    example_url: ClassVar[str] = ""
    # Sent if the caller gives no key.
    default_api_key: ClassVar[str] = ""
    key_header: ClassVar[str] = "Authorization"
    key_prefix: ClassVar[str] = "Bearer "
    # Further headers of every call.
    headers: ClassVar[Mapping[str, str]] = MappingProxyType({})
    # Our codes for the vendor's error words, in lower case.
    codes_by_word: ClassVar[Mapping[str, ErrorCode]] = MappingProxyType({})
    # Parses the vendor's responses, if its errors have their own format.
    reply_class: ClassVar[type[Reply]] = Reply

    def __init__(
        self,
        *,
        entry: CatalogEntry,
        api_key: str = "",
        base_url: str = "",
        http_client: httpx.Client | None = None,
        timeout_seconds: float = 30.0,
        internet: PublicInternet = PUBLIC_INTERNET,
    ) -> None:
        """Take the vendor's key, and its address: the URL before the vendor's paths.

        Args:
            entry: the model's row in the catalog.
            api_key: any word for a server that needs none.
            base_url: the default is `default_base_url`.
            http_client: sends the calls to `base_url`, for a proxy or private certificates.
            timeout_seconds: for a whole call; a large body and a video get more.
            internet: how to reach the URLs of callers and replies. Its `own_origins` lists your own stores of videos,
                which may be private or plain http.

        Raises:
            ConfigurationError: `base_url` or `api_key` cannot be used.
        """
        api_key = api_key or self.default_api_key
        base_url = base_url or self.default_base_url or ""
        super().__init__(entry=entry, api_key=api_key, base_url=base_url)
        url = parse_base_url(base_url, self.default_base_url or self.example_url)
        self._errors = ProviderErrors(host=url.host, api_key=api_key, codes_by_word=self.codes_by_word)
        self._vendor = Vendor(
            base_url=url,
            api_key=api_key,
            errors=self._errors,
            key_header=self.key_header,
            key_prefix=self.key_prefix,
            headers=self.headers,
            reply_class=self.reply_class,
            transport=None if http_client is None else ClientTransport(http_client),
            timeout_seconds=timeout_seconds,
            internet=internet,
        )

    @contextmanager
    def open_video(self, job_id: str, *, start_byte: int = 0, validator: str | None = None) -> Iterator[VideoStream]:
        """Open the finished video, from `start_byte` on when its server can.

        This gets the status first, since many vendors' URLs expire. The URL is opened without the key: on the origin of
        `base_url` (a stand-in, a private proxy) by the same client, elsewhere as an untrusted URL.

        Raises:
            VideoModelError: on opening or while the chunks are read.
        """
        with self._vendor.open_file(
            self._find_video_url(job_id),
            start_byte=start_byte,
            validator=validator,
            send_key=False,
            refuse=self._refuse_public_video,
            expire=self._report_expired,
        ) as stream:
            yield stream

    def _find_video_url(self, job_id: str) -> str:
        """Get the URL of a finished video."""
        job = self.get_status(job_id).require_finished()
        if job.video_url is None:
            raise VideoModelError(ErrorCode.PROVIDER_ERROR, f"Job {job_id} is completed without a video.")
        return job.video_url

    def _read_started(
        self, reply: Reply, read: Callable[[object], WireT | None], *, gone: ErrorCode = ErrorCode.MODEL_NOT_FOUND
    ) -> WireT:
        """Read the job that a paid POST started; `gone` is the code for a 404 or 410.

        Raises:
            SubmissionUnknown: the vendor may have started one.
            VideoModelError: it certainly did not.
        """
        started = read(reply.body) if reply.is_success else None
        if started is None:
            raise self._errors.refuse_submission(reply, gone=gone)
        return started

    def _read_answer(self, reply: Reply, read: Callable[[object], WireT | None]) -> WireT:
        """Read the answer to a question.

        Raises:
            VideoModelError: it is something else; `transient` tells whether to ask again.
        """
        answer = read(reply.body) if reply.is_success else None
        if answer is None:
            raise self._errors.refuse_question(reply)
        return answer

    def _order(self, method: str, path: str) -> Reply:
        """Make a call whose answer is its status.

        Raises:
            VideoModelError: the vendor did not do it, or did not answer.
        """
        reply = self._vendor.ask(method, path)
        if not reply.is_success:
            raise self._errors.refuse_question(reply)
        return reply

    def _read_image(self, source: str) -> ReferenceImage:
        """Read a request's picture, before anything is submitted.

        Raises:
            VideoModelError: with code `invalid_request`; `transient` when a retry may help.
        """
        return read_reference_image(
            source, timeout_seconds=self._vendor.timeout_seconds, internet=self._vendor.internet
        )

    def _refuse_public_video(self, reply: Reply) -> VideoModelError:
        """Map a refused video whose URL needs no key: such a URL has expired."""
        if reply.status_code in (401, 403, 404, 410):
            return self._report_expired(
                f"{self._vendor.base_url.host} answered {reply.status_code} to the URL of the video."
            )
        return self._errors.refuse_question(reply)

    def _report_expired(self, sentence: str) -> VideoModelError:
        """Report the expired URL of a video; a vendor's own advice goes behind the sentence."""
        return VideoModelError(ErrorCode.EXPIRED, sentence)

"""A vendor's server and the rest of the internet, as an adapter's HTTP client sees them; no socket is opened."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from mediaposter.ai.catalog import Capabilities, CatalogEntry, built_in_catalog
from mediaposter.ai.provider_options import ProviderOption
from mediaposter.ai.video_model_interface import VideoGenerationJob, VideoGenerationRequest, VideoModelInterface
from mediaposter.domain.errors import VideoModelError
from mediaposter.http.outbound import PublicInternet

REPLIES = Path(__file__).parent.parent / "unit" / "ai" / "replies"

Answer = httpx.Response | Exception


def read_reply(provider: str, name: str, **headers: str) -> httpx.Response:
    """Read a recorded reply in the vendor's format; `headers` are added to its own."""
    recorded = json.loads((REPLIES / provider / f"{name}.json").read_text(encoding="utf-8"))
    return httpx.Response(recorded["status_code"], headers={**recorded["headers"], **headers}, json=recorded["body"])


def row(name: str, capabilities: Capabilities | None = None) -> CatalogEntry:
    """Give a model's row in the catalog, able to do what the test needs."""
    entry = built_in_catalog().get(name)
    return entry if capabilities is None else entry.model_copy(update={"capabilities": capabilities})


def allowing(entry: CatalogEntry, **options: str) -> CatalogEntry:
    """Give a row that lists these options, by their types, instead of its own."""
    listed = {name: ProviderOption.model_validate({"type": kind}) for name, kind in options.items()}
    return entry.model_copy(update={"options": listed})


class Body(httpx.SyncByteStream):
    """A body that comes in pieces and may break at the end."""

    def __init__(self, pieces: Sequence[bytes], error: Exception | None = None) -> None:
        self._pieces = pieces
        self._error = error
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        self.closed = True


class Host:
    """Answers in turn, repeats its last answer, and keeps what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def take(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, *, follow_redirects: bool = False) -> httpx.Client:
        """Build the client whose every request comes here."""
        return httpx.Client(transport=httpx.MockTransport(self.take), follow_redirects=follow_redirects)

    @property
    def calls(self) -> list[str]:
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.requests]

    @property
    def paths(self) -> list[str]:
        return [request.url.raw_path.decode() for request in self.requests]

    def saw(self, secret: str) -> bool:
        """Tell whether it was ever sent; the text of httpx's headers leaves keys out."""
        return any(
            secret in part
            for request in self.requests
            for part in (str(request.url), *request.headers.values(), request.content.decode(errors="replace"))
        )

    @property
    def sent_body(self) -> dict[str, object]:
        """The JSON body of the only request."""
        (request,) = self.requests
        body = json.loads(request.content)
        assert isinstance(body, dict)
        return body


class Internet(Host):
    """Every other host: one public address, a clock that stands still, and all the time there is."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__(*(answers or [httpx.Response(200, content=b"movie")]))
        self.addresses = ["93.184.215.14"]
        self.now = 0.0
        self.patience_seconds = math.inf
        self.own_origins: frozenset[str] = frozenset()

    @property
    def way(self) -> PublicInternet:
        return PublicInternet(
            resolve=lambda _host, _port: self.addresses,
            transport=httpx.MockTransport(self.take),
            clock=lambda: self.now,
            measure_patience=lambda: self.patience_seconds,
            own_origins=self.own_origins,
        )


class SlowBody(httpx.SyncByteStream):
    """A body of a hundred bytes that come one by one, each after `seconds_each` on the internet's clock."""

    def __init__(self, internet: Internet, *, seconds_each: float) -> None:
        self._internet = internet
        self._seconds_each = seconds_each

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(100):
            self._internet.now += self._seconds_each
            yield b"x"


class Calls:
    """An adapter's calls, each of a model of its own whose vendor's server gives these answers."""

    def __init__(self, build: Callable[[Host], VideoModelInterface], *, job_id: str, seconds: int = 8) -> None:
        self._build = build
        self._job_id = job_id
        self._request = VideoGenerationRequest(prompt="A lake", duration_seconds=seconds)

    def create(self, answer: Answer) -> VideoGenerationJob:
        return self._build(Host(answer)).create_video(self._request)

    def creation_error(self, answer: Answer) -> VideoModelError:
        return self._refuse(lambda: self.create(answer))

    def status(self, *answers: Answer) -> VideoGenerationJob:
        return self._build(Host(*answers)).get_status(self._job_id)

    def status_error(self, *answers: Answer) -> VideoModelError:
        return self._refuse(lambda: self.status(*answers))

    def download(self, model: VideoModelInterface) -> bytes:
        with model.open_video(self._job_id) as stream:
            return b"".join(stream.chunks)

    def download_error(self, model: VideoModelInterface) -> VideoModelError:
        return self._refuse(lambda: self.download(model))

    def _refuse(self, call: Callable[[], object]) -> VideoModelError:
        with pytest.raises(VideoModelError) as raised:
            call()
        return raised.value

"""The app of the host over HTTP: the API, links to files, pages of other origins, and its log."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from starlette.testclient import TestClient
from starlette.types import Message

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.errors import ConfigurationError, NotFound
from mediaposter.host.access_log import AccessLog
from mediaposter.host.bucket import FolderBucket
from mediaposter.host.files import Files
from mediaposter.host.gateway import Answer, Gateway, Request
from mediaposter.host.routes import Route
from mediaposter.host.server import Server, list_own_origins
from tests.builders import a_stored_video, a_video
from tests.unit.host.door import PAGE, Door, open_door

MP4 = bytes(range(256)) * 4_096  # 1 MiB
KEY = a_stored_video().key
PICTURE = b"\x89PNG and the rest"
PICTURE_KEY = "uploads/ann/upload_1"


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with open_door(tmp_path) as opened:
        opened.bucket.put(KEY, MP4, content_type="video/mp4")
        opened.world.keep(a_video(owner="ann", status=VideoStatus.COMPLETED, stored=a_stored_video()))
        yield opened


@pytest.fixture
def client(door: Door) -> Iterator[TestClient]:
    with browse(door) as opened:
        yield opened


def browse(door: Door) -> TestClient:
    return TestClient(door.app, follow_redirects=False, raise_server_exceptions=False)


def sign_get(door: Door, key: str = KEY, *, seconds: int = 900) -> str:
    return door.links.sign_get(key, filename="video_1.mp4", seconds=seconds)


def sign_put(door: Door) -> str:
    return door.links.sign_put(PICTURE_KEY, content_type="image/png", size_bytes=len(PICTURE), seconds=900)


def send_to_files(files: Files, url: str, *messages: Message, method: str = "PUT") -> list[Message]:
    """Ask for a link without a client, and give what is answered; after the messages nothing comes any more."""
    answered: list[Message] = []
    left = iter(messages)

    async def receive() -> Message:
        for message in left:
            return message
        await anyio.sleep_forever()
        raise AssertionError

    async def send(message: Message) -> None:
        answered.append(message)

    headers = [(b"content-type", b"image/png"), (b"content-length", str(len(PICTURE)).encode())]
    scope = {
        "type": "http",
        "method": method,
        "path": "/files",
        "query_string": urlsplit(url).query.encode(),
        "headers": headers,
    }
    anyio.run(AccessLog(files, log=lambda _: None), scope, receive, send)
    return answered


def read_code(response: Any) -> str:
    code: str = response.json()["error"]["code"]
    return code


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/", {}, 200),
        ("GET", "/favicon.ico", {}, 404),
        ("POST", "/", {}, 404),
        ("GET", "/v1/studio", {}, 200),
        ("GET", "/v1", {}, 404),
        ("GET", "/v1/videos", {}, 401),
        ("GET", "/files?key=a", {}, 403),
        ("OPTIONS", "/v1/videos", {"Origin": PAGE, "Access-Control-Request-Method": "POST"}, 200),
    ],
)
def test_every_answer_has_an_id_under_which_the_log_has_it(
    door: Door, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    with browse(door) as client:
        response = client.request(method, path, headers=headers)

    [access] = door.access
    assert response.status_code == access.status == status
    assert response.headers["x-request-id"] == access.request_id


def test_the_first_page_says_where_the_api_is(client: TestClient) -> None:
    assert client.get("/").json()["api"] == "http://testserver/v1"


def test_the_log_names_routes_and_owners_and_tells_no_path_query_key_or_prompt(door: Door, client: TestClient) -> None:
    key = door.make_key()
    link = sign_get(door)

    client.get("/v1/videos/video_1?prompt=kite", headers=key)
    client.get(link)
    client.delete("/v1/nothing/secret")

    lines = [{**asdict(access), "request_id": "", "response_ms": 0} for access in door.access]
    nothing = {"request_id": "", "response_ms": 0, "owner": None, "error": None}
    assert lines == [
        {**nothing, "method": "GET", "route": "/videos/{video_id}", "status": 200, "owner": "ann"},
        {**nothing, "method": "GET", "route": "/files", "status": 200},
        {
            **nothing,
            "method": "DELETE",
            "route": None,
            "status": 404,
            "error": "MISSING_AUTHENTICATION_TOKEN",
        },
    ]


def test_a_page_of_an_own_origin_may_read_answers_and_another_may_not(door: Door, client: TestClient) -> None:
    asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}
    for path in ("/v1/videos/video_1", "/files"):
        allowed = client.options(path, headers={"Origin": PAGE, **asked})
        refused = client.options(path, headers={"Origin": "https://evil.example", **asked})

        assert allowed.headers["access-control-allow-origin"] == PAGE
        assert allowed.headers["access-control-allow-headers"] == "authorization"
        assert "PATCH" in allowed.headers["access-control-allow-methods"]
        assert refused.status_code == 400
        assert "access-control-allow-origin" not in refused.headers
    read = client.get("/v1/videos", headers={"Origin": PAGE, **door.make_key()})
    assert (read.status_code, read.headers["access-control-allow-origin"]) == (200, PAGE)
    assert "x-request-id" in read.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    ("url", "origins"),
    [
        ("http://127.0.0.1:4600", ["http://127.0.0.1:4600", "http://localhost:4600"]),
        ("http://[::1]:4600", ["http://[::1]:4600", "http://localhost:4600"]),
        ("http://192.168.0.7:4600", ["http://192.168.0.7:4600"]),
    ],
)
def test_a_page_opened_at_localhost_is_the_hosts_own(url: str, origins: list[str]) -> None:
    assert list_own_origins(url) == origins


def test_without_own_origins_there_is_no_preflight(tmp_path: Path) -> None:
    with open_door(tmp_path, origins=[]) as door, browse(door) as client:
        response = client.options("/v1/videos", headers={"Origin": PAGE, "Access-Control-Request-Method": "GET"})

    assert response.status_code == 404


def test_a_body_that_is_too_large_is_refused_before_all_of_it_is_read(door: Door, client: TestClient) -> None:
    read: list[int] = []

    def send() -> Iterator[bytes]:
        for number in range(100):
            read.append(number)
            yield b"0" * 2**20

    response = client.post("/v1/videos", headers=door.make_key(), content=send())

    assert (response.status_code, read_code(response)) == (413, "request_too_large")
    assert door.access[-1].route == "/videos"


class BusyGateway(Gateway):
    """Answers when it is let."""

    free = threading.Event()
    begun = threading.Semaphore(0)

    def answer(self, request: Request, route: Route) -> Answer:
        self.begun.release()
        assert self.free.wait(10)
        return Answer(200, [], b"{}", route.path)


@pytest.fixture
def busy() -> Iterator[type[BusyGateway]]:
    class Busy(BusyGateway):
        free = threading.Event()
        begun = threading.Semaphore(0)

    yield Busy
    Busy.free.set()


def test_more_requests_than_may_wait_are_told_to_come_again(tmp_path: Path, busy: type[BusyGateway]) -> None:
    with (
        open_door(tmp_path, gateway=busy, threads=1, waiting_max=1) as door,
        browse(door) as client,
        ThreadPoolExecutor(4) as pool,
    ):
        key = door.make_key()
        asked = [pool.submit(client.get, "/v1/videos", headers=key) for _ in range(3)]
        done, _ = wait(asked, timeout=10, return_when=FIRST_COMPLETED)
        webhook = pool.submit(client.post, "/v1/webhooks/sora")
        # Requests without a key wait for one another alone.
        assert all(busy.begun.acquire(timeout=10) for _ in range(2))
        busy.free.set()

        [refused] = (future.result() for future in done)
        assert (refused.status_code, read_code(refused)) == (429, "rate_limit_exceeded")
        assert refused.headers["retry-after"] == "1"
        assert sorted(future.result().status_code for future in asked) == [200, 200, 429]
        assert webhook.result().status_code == 200


def test_an_answer_that_takes_too_long_is_not_waited_for(tmp_path: Path, busy: type[BusyGateway]) -> None:
    with open_door(tmp_path, gateway=busy, answer_seconds=0.01) as door, browse(door) as client:
        response = client.get("/v1/videos", headers=door.make_key())

    assert (response.status_code, read_code(response)) == (504, "timeout")


def test_a_fault_of_the_server_itself_has_openais_envelope(tmp_path: Path) -> None:
    class Broken(Gateway):
        def admit(self, request: Request) -> Route | Answer:
            raise ZeroDivisionError

    with open_door(tmp_path, gateway=Broken) as door, browse(door) as client:
        response = client.get("/v1/videos")

    assert (response.status_code, read_code(response)) == (500, "internal_error")
    assert response.headers["x-request-id"] == door.access[0].request_id


def test_content_is_a_redirect_to_a_link_that_answers_in_parts(door: Door, client: TestClient) -> None:
    redirect = client.get("/v1/videos/video_1/content", headers=door.make_key())
    link = redirect.headers["location"]

    whole = client.get(link)
    part = client.get(link, headers={"Range": "bytes=300-309"})
    beyond = client.get(link, headers={"Range": "bytes=9999999-"})
    head = client.head(link)
    again = client.get(link, headers={"If-None-Match": whole.headers["etag"]})

    assert redirect.status_code == 302
    assert (whole.status_code, whole.content) == (200, MP4)
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["content-disposition"] == 'attachment; filename="video_1.mp4"'
    assert (part.status_code, part.content) == (206, MP4[300:310])
    assert part.headers["content-range"] == f"bytes 300-309/{len(MP4)}"
    assert (beyond.status_code, beyond.headers["content-type"]) == (416, "text/plain; charset=utf-8")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(MP4)), b"")
    assert (again.status_code, again.content) == (304, b"")


def test_a_download_passes_in_chunks(door: Door) -> None:
    answered = send_to_files(Files(door.bucket, door.links), sign_get(door), method="GET")

    sizes = [len(message["body"]) for message in answered if message["type"] == "http.response.body"]
    assert sum(sizes) == len(MP4)
    assert max(sizes) <= len(MP4) // 4


def test_an_upload_is_stored_at_its_key(door: Door, client: TestClient) -> None:
    asked = {"content_type": "image/png", "size_bytes": len(PICTURE)}
    upload = client.post("/v1/uploads", headers=door.make_key(), json=asked).json()

    response = client.put(upload["url"], content=PICTURE, headers=upload["headers"])

    assert (response.status_code, response.content) == (200, b"")
    [key] = door.bucket.list_keys("uploads/ann/")
    assert door.bucket.read(key) == PICTURE
    assert response.headers["etag"] == door.bucket.head(key).etag


@pytest.mark.parametrize(
    ("ask", "status", "words"),
    [
        (lambda door, client: client.put(sign_get(door)), 403, "not made here for PUT"),
        (lambda door, client: client.get(sign_get(door, seconds=-1)), 403, "expired"),
        (lambda door, client: client.get(sign_get(door, "videos/gone.mp4")), 404, "no such file"),
        (lambda door, client: client.delete(sign_get(door)), 405, "GET, HEAD, PUT"),
        (
            lambda door, client: client.put(sign_put(door), content=b"a", headers={"Content-Type": "a/b"}),
            403,
            "takes 17 bytes",
        ),
    ],
)
def test_what_a_link_does_not_allow_is_refused_in_a_sentence(
    door: Door, client: TestClient, ask: Callable[[Door, TestClient], httpx.Response], status: int, words: str
) -> None:
    response = ask(door, client)

    assert (response.status_code, response.headers["content-type"]) == (status, "text/plain; charset=utf-8")
    assert words in response.text
    assert "x-request-id" in response.headers


@pytest.mark.parametrize("ending", [[{"type": "http.disconnect"}], []], ids=["is gone", "says nothing more"])
def test_an_upload_whose_client_leaves_is_not_stored(door: Door, ending: list[Message]) -> None:
    files = Files(door.bucket, door.links, idle_seconds=0.01)

    answered = send_to_files(
        files, sign_put(door), {"type": "http.request", "body": PICTURE[:4], "more_body": True}, *ending
    )

    assert answered[0]["status"] == 400
    with pytest.raises(NotFound):
        door.bucket.head(PICTURE_KEY)


def test_an_upload_to_a_full_disk_says_so_and_not_where(door: Door, tmp_path: Path) -> None:
    def replace(_source: Path, _target: Path) -> None:
        raise OSError(errno.ENOSPC, "full")

    files = Files(FolderBucket(tmp_path / "full", door.links, replace=replace), door.links)

    answered = send_to_files(files, sign_put(door), {"type": "http.request", "body": PICTURE})

    assert answered[0]["status"] == 507
    assert str(tmp_path) not in answered[1]["body"].decode()


@pytest.mark.enable_socket(reason="two servers want one port of the loopback interface")
def test_a_port_that_is_taken_is_named_with_a_way_out_and_free_after_a_stop(door: Door) -> None:
    server = Server(port=0)
    port = urlsplit(server.url).port
    assert port is not None
    try:
        with pytest.raises(ConfigurationError, match=rf"Port {port} of 127.0.0.1 is taken.*--port 0 takes any"):
            Server(port=port)
        server.start(door.app)
    finally:
        server.stop()

    Server(port=port).stop()


@pytest.mark.enable_socket(reason="the server listens on the loopback interface, and a client waits for its answers")
def test_an_answer_does_not_wait_for_an_acknowledgement(door: Door) -> None:
    server = Server(port=0)
    server.start(door.app)
    waits = []
    try:
        with httpx.Client(base_url=server.url) as client:
            for _ in range(12):
                began = time.perf_counter()
                client.get("/v1/videos").read()
                waits.append(time.perf_counter() - began)
    finally:
        server.stop()

    # A system delays an acknowledgement by 40 ms, and Nagle's algorithm keeps the rest of an answer until then.
    assert min(waits[2:]) < 0.03


@pytest.mark.enable_socket(reason="the server listens on the loopback interface, and a client stops reading")
def test_a_download_that_stalls_does_not_keep_the_host_from_stopping(door: Door) -> None:
    door.bucket.put("videos/long.mp4", MP4 * 16, content_type="video/mp4")
    server = Server(port=0)
    door.url = server.url
    server.start(door.app)
    with httpx.Client() as client, client.stream("GET", sign_get(door, "videos/long.mp4")) as response:
        began = time.monotonic()
        server.stop()

    assert response.status_code == 200
    assert time.monotonic() - began < 5

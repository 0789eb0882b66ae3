from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mediaposter.domain.errors import ConfigurationError, ErrorCode, VideoModelError
from mediaposter.http.addresses import AddressRefused
from mediaposter.http.file_stream import CHUNK_BYTES
from mediaposter.http.outbound import (
    MAX_REDIRECTS,
    PublicInternet,
    fetch_bytes,
    open_url,
    parse_origin,
    post_json,
)
from tests.fakes.provider import Body
from tests.fakes.raw_server import Play, drip, serve_raw

PUBLIC_V4 = "93.184.215.14"
OTHER_PUBLIC_V4 = "93.184.215.99"
PUBLIC_V6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
URL = "https://cdn.example/clip.mp4?X-Amz-Signature=a%2Fb%3D"
HOOK = "https://cdn.example/hooks?token=tk_of_the_receiver"


class World:
    """Hosts, their addresses and what they answer; keeps what they were asked."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response] | None = None) -> None:
        self.addresses: dict[str, list[str]] = {"cdn.example": [PUBLIC_V4]}
        self.resolved: list[tuple[str, int]] = []
        self.requests: list[httpx.Request] = []
        self.now = 0.0
        self.own_origins: frozenset[str] = frozenset()
        self._answer = answer or (lambda _: httpx.Response(200, content=b"movie"))

    @property
    def internet(self) -> PublicInternet:
        return PublicInternet(
            resolve=self._resolve,
            transport=httpx.MockTransport(self._take),
            clock=lambda: self.now,
            own_origins=self.own_origins,
        )

    def fetch(self, url: str = URL, *, max_bytes: int = 1000) -> bytes:
        return fetch_bytes(url, max_bytes=max_bytes, timeout_seconds=60, internet=self.internet)

    def post(self, url: str = HOOK, *, is_anywhere_allowed: bool = False) -> int:
        return post_json(
            url,
            b'{"id":"evt_1"}',
            headers={"webhook-id": "evt_1"},
            timeout_seconds=10,
            is_anywhere_allowed=is_anywhere_allowed,
            internet=self.internet,
        )

    def read(self, url: str = URL, *, max_bytes: int = 1000) -> bytes:
        with open_url(url, max_bytes=max_bytes, timeout_seconds=60, internet=self.internet) as stream:
            return b"".join(stream.chunks)

    def _resolve(self, host: str, port: int) -> list[str]:
        self.resolved.append((host, port))
        if host not in self.addresses:
            raise OSError("Name or service not known")
        return self.addresses[host]

    def _take(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._answer(request)


def refusal_of(world: World, url: str = URL) -> VideoModelError:
    with pytest.raises(VideoModelError) as raised:
        world.read(url)
    return raised.value


def redirect_to(*locations: str) -> Callable[[httpx.Request], httpx.Response]:
    """Answer with one redirect after the other, then with the file."""
    left = iter(locations)

    def answer(_: httpx.Request) -> httpx.Response:
        location = next(left, None)
        return (
            httpx.Response(200, content=b"movie")
            if location is None
            else httpx.Response(302, headers={"location": location})
        )

    return answer


def test_the_connection_goes_to_the_address_that_was_checked_once_under_the_name_of_the_host() -> None:
    world = World()
    assert world.fetch() == b"movie"
    (request,) = world.requests
    assert (request.url.host, request.url.raw_path) == (PUBLIC_V4, b"/clip.mp4?X-Amz-Signature=a%2Fb%3D")
    assert (request.headers["host"], request.extensions["sni_hostname"]) == ("cdn.example", "cdn.example")
    assert "range" not in request.headers
    assert world.resolved == [("cdn.example", 443)]


def test_a_port_stays_in_the_address_and_in_the_host_header() -> None:
    world = World()
    world.fetch("https://cdn.example:8443/clip.mp4")
    assert world.requests[0].url.port == 8443
    assert world.requests[0].headers["host"] == "cdn.example:8443"
    assert world.resolved == [("cdn.example", 8443)]


def test_an_ipv6_address_is_connected_to_in_brackets() -> None:
    world = World()
    world.addresses["cdn.example"] = [PUBLIC_V6]
    world.fetch()
    assert f"[{PUBLIC_V6}]" in str(world.requests[0].url)


@pytest.mark.parametrize(
    "url", ["http://cdn.example/a", "file:///etc/passwd", "//cdn.example/a", "https://user:password@cdn.example/a"]
)
def test_only_https_is_fetched(url: str) -> None:
    world = World()
    assert not refusal_of(world, url).transient
    assert world.requests == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "::ffff:169.254.169.254",
        "::ffff:93.184.215.14",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "2001:db8::1",
    ],
)
def test_an_address_inside_is_refused(address: str) -> None:
    world = World()
    world.addresses["cdn.example"] = [address]
    error = refusal_of(world)
    assert (error.code, error.transient) == (ErrorCode.PROVIDER_ERROR, False)
    assert world.requests == []


def test_one_inner_address_among_public_ones_refuses_the_host() -> None:
    world = World()
    world.addresses["cdn.example"] = [PUBLIC_V4, "10.0.0.8"]
    refusal_of(world)
    assert world.requests == []


def test_a_name_that_does_not_resolve_may_do_so_later() -> None:
    assert refusal_of(World(), "https://nowhere.example/").transient


def test_the_next_address_is_tried_when_one_cannot_be_reached() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == PUBLIC_V6:
            raise httpx.ConnectError("Network is unreachable")
        return httpx.Response(200, content=b"movie")

    world = World(answer)
    world.addresses["cdn.example"] = [PUBLIC_V6, PUBLIC_V4]
    assert world.fetch() == b"movie"


def test_a_host_that_cannot_be_reached_at_all_may_be_later() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("timed out")

    world = World(answer)
    error = refusal_of(world)
    assert (error.code, error.transient) == (ErrorCode.PROVIDER_ERROR, True)
    world.addresses["cdn.example"] = []
    assert "it has no address" in refusal_of(world).message


def test_a_redirect_is_followed() -> None:
    world = World(redirect_to("https://files.example/b"))
    world.addresses["files.example"] = [OTHER_PUBLIC_V4]
    assert world.fetch() == b"movie"
    assert world.requests[1].url.host == OTHER_PUBLIC_V4
    assert world.requests[1].headers["host"] == "files.example"


def test_a_relative_redirect_stays_with_the_host_and_not_with_its_address() -> None:
    world = World(redirect_to("/b"))
    world.fetch()
    assert world.requests[1].headers["host"] == "cdn.example"
    assert world.requests[1].url.raw_path == b"/b"


def test_a_redirect_into_our_network_is_refused() -> None:
    world = World(redirect_to("https://metadata.example/latest"))
    world.addresses["metadata.example"] = ["169.254.169.254"]
    refusal_of(world)
    assert len(world.requests) == 1


LOCATIONS = st.text() | st.lists(
    st.sampled_from(
        [
            *("https://", "http://", "ftp:", "data:", "//", "/", "..", "?", "#", ":", "443", "0", "@", "[", "]", "%"),
            *("cdn.example", "99999", "-1", "::1", "xn--", "xn--a", "x" * 64, "\\", "é", "\u2100", " ", "\n", "a"),
        ]
    )
).map("".join)


@given(location=LOCATIONS)
@example(location="//xn--")
@example(location="//[")
@example(location="https://cdn.example:99999/")
@example(location="https://cdn.example:0/")
@example(location="https://cdn..example/")
@example(location="https://user@cdn.example/")
def test_whatever_a_redirect_says_a_file_is_fetched_or_its_address_refused(location: str) -> None:
    left = [[(b"location", location.encode())]]

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(302, headers=left.pop()) if left else httpx.Response(200, content=b"movie")

    world = World(answer)
    try:
        assert world.read() == b"movie"
    except VideoModelError as error:
        # Another name than cdn.example does not resolve.
        assert isinstance(error, AddressRefused) or error.transient  # noqa: PT017 (both outcomes are right)
    assert all(request.url.host == PUBLIC_V4 for request in world.requests)


@pytest.mark.parametrize(
    "url",
    [
        "https://xn--/a",
        "https://cdn.example:0/a",
        "https://cdn.example:99999/a",
        f"https://{'x' * 64}.example/a",
        "https://cdn.example/\ud83d",
        "https://cdn.example/" + "x" * 70_000,
    ],
)
def test_a_url_that_is_none_is_refused_for_good_by_every_call(url: str) -> None:
    world = World()
    assert not refusal_of(world, url).transient
    with pytest.raises(AddressRefused):
        world.post(url)
    with pytest.raises(VideoModelError) as raised:
        world.fetch(url)
    assert (raised.value.code, raised.value.transient) == (ErrorCode.INVALID_REQUEST, False)
    assert len(str(raised.value)) < 500
    assert (world.resolved, world.requests) == ([], [])


def test_redirects_end_after_three() -> None:
    assert World(redirect_to(*["/again"] * MAX_REDIRECTS)).fetch() == b"movie"
    world = World(redirect_to(*["/again"] * 10))
    refusal_of(world)
    assert len(world.requests) == MAX_REDIRECTS + 1


def test_no_cookie_of_one_hop_reaches_the_next() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/clip.mp4":
            return httpx.Response(302, headers={"location": "/b", "set-cookie": "session=1; Path=/"})
        return httpx.Response(200, content=b"movie")

    world = World(answer)
    world.fetch()
    assert "cookie" not in world.requests[1].headers


def test_a_file_that_announces_too_much_is_not_read() -> None:
    body = Body([b"0123456789"])
    world = World(lambda _: httpx.Response(200, headers={"content-length": "1001"}, stream=body))
    refusal_of(world)
    assert body.closed


def test_a_file_that_announces_nothing_ends_at_the_cap() -> None:
    world = World(lambda _: httpx.Response(200, stream=Body([b"x" * 600, b"x" * 400])))
    assert len(world.read(max_bytes=1000)) == 1000
    world = World(lambda _: httpx.Response(200, stream=Body([b"x" * 600, b"x" * 401])))
    assert not refusal_of(world).transient


def test_a_sender_of_one_byte_at_a_time_meets_the_deadline() -> None:
    world = World()

    class Drip(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            for _ in range(1000):
                world.now += 1.0
                yield b"x"

    world = World(lambda _: httpx.Response(200, stream=Drip()))
    error = refusal_of(world)
    assert (error.code, error.transient, world.now) == (ErrorCode.TIMEOUT, True, 61.0)


def test_no_single_wait_is_longer_than_the_time_that_is_left() -> None:
    world = World()
    fetch_bytes(URL, max_bytes=10, timeout_seconds=5, internet=world.internet)
    assert world.requests[0].extensions["timeout"] == {"connect": 5, "read": 5, "write": 5, "pool": 5}


def test_the_body_comes_in_chunks_of_one_size() -> None:
    world = World(lambda _: httpx.Response(200, stream=Body([b"x" * 50_000] * 6)))
    with open_url(URL, max_bytes=10**6, timeout_seconds=60, internet=world.internet) as stream:
        assert [len(chunk) for chunk in stream.chunks] == [CHUNK_BYTES, CHUNK_BYTES, 300_000 - 2 * CHUNK_BYTES]


def test_a_body_that_crawls_is_given_out_as_it_comes_so_that_its_reader_can_give_up() -> None:
    world = World()

    class Crawl(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            for _ in range(10):
                world.now += 4.0
                yield b"x"

    world = World(lambda _: httpx.Response(200, stream=Crawl()))
    with open_url(URL, max_bytes=1000, timeout_seconds=60, internet=world.internet) as stream:
        assert list(stream.chunks) == [b"xx"] * 5


def test_length_type_and_strong_etag_are_told() -> None:
    headers = {"content-type": "video/MP4; charset=binary", "etag": '"abc"'}
    world = World(lambda _: httpx.Response(200, headers=headers, content=b"movie"))
    with open_url(URL, max_bytes=10, timeout_seconds=60, internet=world.internet) as stream:
        assert (stream.start_byte, stream.size_bytes) == (0, 5)
        assert (stream.content_type, stream.validator) == ("video/mp4", '"abc"')
    headers["etag"] = 'W/"abc"'
    with open_url(URL, max_bytes=10, timeout_seconds=60, internet=world.internet) as stream:
        assert stream.validator is None


def test_a_resumed_download_asks_for_the_rest_of_the_same_file() -> None:
    world = World(lambda _: httpx.Response(206, headers={"content-range": "bytes 3-4/5"}, content=b"ie"))
    with open_url(
        URL, max_bytes=10, timeout_seconds=60, start_byte=3, validator='"abc"', internet=world.internet
    ) as stream:
        assert (stream.start_byte, stream.size_bytes, b"".join(stream.chunks)) == (3, 5, b"ie")
    assert world.requests[0].headers["range"] == "bytes=3-"
    assert world.requests[0].headers["if-range"] == '"abc"'


def test_a_server_that_ignores_the_range_starts_at_zero() -> None:
    world = World()
    with open_url(URL, max_bytes=10, timeout_seconds=60, start_byte=3, internet=world.internet) as stream:
        assert (stream.start_byte, stream.size_bytes) == (0, 5)


def test_a_part_of_unknown_total_ends_where_its_length_says() -> None:
    world = World(lambda _: httpx.Response(206, headers={"content-range": "bytes 3-4/*"}, content=b"ie"))
    with open_url(URL, max_bytes=10, timeout_seconds=60, start_byte=3, internet=world.internet) as stream:
        assert stream.size_bytes == 5


def test_the_cap_counts_what_came_before_a_resume() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(206, headers={"content-range": "bytes 900-1100/*"}, stream=Body([b"x" * 101]))

    world = World(answer)
    with (
        open_url(URL, max_bytes=1000, timeout_seconds=60, start_byte=900, internet=world.internet) as stream,
        pytest.raises(VideoModelError),
    ):
        list(stream.chunks)


@pytest.mark.parametrize("content_range", [None, "bytes */5", "items 3-4/5", "bytes 3-4/99999999999999999999"])
def test_a_part_that_cannot_be_placed_is_refused(content_range: str | None) -> None:
    headers = {} if content_range is None else {"content-range": content_range}
    assert not refusal_of(World(lambda _: httpx.Response(206, headers=headers, content=b"ie"))).transient


def test_a_compressed_body_is_refused_and_was_not_asked_for() -> None:
    world = World(lambda _: httpx.Response(200, headers={"content-encoding": "gzip"}, stream=Body([b"\x1f\x8b"])))
    refusal_of(world)
    assert world.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("status_code", "code", "transient"),
    [
        (401, ErrorCode.EXPIRED, False),
        (410, ErrorCode.EXPIRED, False),
        (400, ErrorCode.PROVIDER_ERROR, False),
        (408, ErrorCode.PROVIDER_ERROR, True),
        (429, ErrorCode.RATE_LIMITED, True),
        (503, ErrorCode.PROVIDER_ERROR, True),
        (204, ErrorCode.PROVIDER_ERROR, False),
    ],
)
def test_a_status_that_brings_no_file_is_an_error(status_code: int, code: ErrorCode, transient: bool) -> None:
    wait_seconds = None if code is ErrorCode.EXPIRED else 7.0
    error = refusal_of(World(lambda _: httpx.Response(status_code, headers={"retry-after": "7"})))
    assert (error.code, error.transient, error.retry_after_seconds) == (code, transient, wait_seconds)
    assert "cdn.example" in error.message
    assert "Signature" not in error.message


def test_a_break_while_reading_is_transient() -> None:
    world = World(lambda _: httpx.Response(200, stream=Body([b"mo"], httpx.ReadTimeout("slow"))))
    assert refusal_of(world).transient


def test_a_break_before_the_headers_is_transient() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow")

    world = World(answer)
    world.addresses["cdn.example"] = [PUBLIC_V4, OTHER_PUBLIC_V4]
    assert refusal_of(world).transient
    assert len(world.requests) == 1


def test_an_error_of_the_reader_passes_through_and_closes_the_connection() -> None:
    body = Body([b"movie"])
    world = World(lambda _: httpx.Response(200, stream=body))
    with (
        pytest.raises(KeyError),
        open_url(URL, max_bytes=10, timeout_seconds=60, internet=world.internet),
    ):
        raise KeyError
    assert body.closed


def test_a_file_that_a_caller_names_is_the_callers_mistake() -> None:
    with pytest.raises(VideoModelError) as raised:
        World(lambda _: httpx.Response(404)).fetch()
    assert (raised.value.code, raised.value.transient) == (ErrorCode.INVALID_REQUEST, False)


def test_a_callers_file_that_ends_early_is_refused() -> None:
    world = World(lambda _: httpx.Response(200, headers={"content-length": "9"}, stream=Body([b"movie"])))
    with pytest.raises(VideoModelError) as raised:
        world.fetch()
    assert (raised.value.code, raised.value.transient) == (ErrorCode.INVALID_REQUEST, True)


# Servers of the operator's own

STORE = "http://store.internal:9000"


def own_world(answer: Callable[[httpx.Request], httpx.Response] | None = None) -> World:
    world = World(answer)
    world.own_origins = frozenset({STORE})
    world.addresses["store.internal"] = ["10.0.0.7"]
    return world


def test_a_server_of_the_operators_own_is_read_over_plain_http_at_the_address_that_was_looked_up() -> None:
    world = own_world()
    assert world.read(f"{STORE}/a.mp4") == b"movie"
    (request,) = world.requests
    assert (str(request.url), request.headers["host"]) == ("http://10.0.0.7:9000/a.mp4", "store.internal:9000")


@pytest.mark.parametrize("url", ["http://store.internal/a", "https://store.internal:9000/a"])
def test_what_is_not_that_very_origin_stays_a_strangers(url: str) -> None:
    world = own_world()
    refusal_of(world, url)
    assert world.requests == []


@pytest.mark.parametrize(
    "address",
    ["169.254.170.2", "fe80::1%eth0", "fd00:ec2::254", "::ffff:169.254.169.254", "ff02::1"],
)
def test_where_a_machines_keys_are_nothing_is_the_operators_own(address: str) -> None:
    world = own_world()
    world.addresses["store.internal"] = ["10.0.0.7", address]
    refusal_of(world, f"{STORE}/a.mp4")
    world.addresses["cdn.example"] = [address]
    with pytest.raises(AddressRefused):
        world.post("http://cdn.example/hooks", is_anywhere_allowed=True)
    assert world.requests == []


def test_a_redirect_from_there_is_checked_like_any_other() -> None:
    world = own_world(redirect_to("http://10.0.0.8/latest"))
    world.addresses["10.0.0.8"] = ["10.0.0.8"]
    refusal_of(world, f"{STORE}/a.mp4")
    assert len(world.requests) == 1


def test_what_a_callers_request_names_is_never_the_operators_own() -> None:
    world = own_world()
    with pytest.raises(VideoModelError) as raised:
        world.fetch(f"{STORE}/a.png")
    assert (raised.value.code, world.requests) == (ErrorCode.INVALID_REQUEST, [])


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        (STORE, STORE),
        (f"{STORE}/", STORE),
        ("HTTP://Store.internal:80", "http://store.internal"),
        ("https://[fd00::7]:443", "https://[fd00::7]"),
    ],
)
def test_an_origin_is_read(text: str, origin: str) -> None:
    assert parse_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    ["store", "ftp://store", "http://store/videos", "http://store#a", "http://u:p@store", "http://store:0"],
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        parse_origin(text)


# A receiver of webhooks


def test_a_document_is_posted_as_it_is() -> None:
    world = World()

    assert world.post() == 200

    (request,) = world.requests
    assert (request.url.host, request.url.raw_path) == (PUBLIC_V4, b"/hooks?token=tk_of_the_receiver")
    assert (request.headers["host"], request.extensions["sni_hostname"]) == ("cdn.example", "cdn.example")
    assert (request.method, request.read()) == ("POST", b'{"id":"evt_1"}')
    assert (request.headers["content-type"], request.headers["webhook-id"]) == ("application/json", "evt_1")


@pytest.mark.parametrize("status", [302, 404])
def test_the_answer_to_a_document_is_its_status_whatever_that_is(status: int) -> None:
    world = World(lambda _: httpx.Response(status, headers={"location": "https://files.example/"}))

    assert world.post() == status
    assert len(world.requests) == 1, "a redirect was followed"


def test_the_body_of_the_answer_to_a_document_is_not_read() -> None:
    body = Body([b"x"], ssl.SSLError("it would never end"))

    assert World(lambda _: httpx.Response(200, stream=body)).post() == 200
    assert body.closed


@pytest.mark.parametrize("address", ["10.0.0.8", "fd00:ec2::254"])
def test_no_document_is_posted_to_an_address_inside(address: str) -> None:
    world = World()
    world.addresses["cdn.example"] = [PUBLIC_V4, address]

    with pytest.raises(VideoModelError, match="private network"):
        world.post()
    assert world.requests == []


@pytest.mark.parametrize("url", ["http://cdn.example/hooks", "hooks"])
def test_no_document_is_posted_to_a_url_that_is_not_safe(url: str) -> None:
    world = World()

    with pytest.raises(VideoModelError):
        world.post(url)
    assert world.requests == []


def test_a_receiver_on_this_machine_is_reached_only_where_that_was_allowed() -> None:
    world = World()
    world.addresses["127.0.0.1"] = ["127.0.0.1"]

    assert world.post("http://127.0.0.1/hooks", is_anywhere_allowed=True) == 200
    assert world.resolved == [("127.0.0.1", 80)]
    with pytest.raises(VideoModelError):
        world.post("http://127.0.0.1/hooks")


def test_a_receiver_that_does_not_answer_in_time_gave_no_answer() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.extensions["timeout"]["read"] == 10
        raise httpx.ReadTimeout("timed out")

    with pytest.raises(VideoModelError, match=r"cdn\.example"):
        World(answer).post()


def test_a_query_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)  # as Lambda sets it for JSON logs

    World().post()
    World().fetch()

    assert caplog.text == ""


# At real sockets

ON_LOOPBACK = pytest.mark.enable_socket(reason="how long a read takes shows only at a real socket, here on loopback")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@ON_LOOPBACK
@pytest.mark.parametrize(
    "play",
    [drip(b"HTTP/1.1 200 OK\r\nX-Name: ", b"x"), drip(CHUNKED, b"1\r\nx\r\n")],
    ids=["header", "chunks"],
)
def test_a_download_ends_whatever_its_server_drips(play: Play) -> None:
    with serve_raw(play) as server:
        began = time.monotonic()
        with (
            pytest.raises(VideoModelError) as raised,
            open_url(
                f"{server.origin}/a.mp4",
                max_bytes=1000,
                timeout_seconds=0.15,
                internet=PublicInternet(own_origins=frozenset({server.origin})),
            ) as stream,
        ):
            list(stream.chunks)
        assert (raised.value.code, raised.value.transient) == (ErrorCode.TIMEOUT, True)
        assert time.monotonic() - began < 5.0


@ON_LOOPBACK
def test_redirects_that_drip_have_one_deadline_together() -> None:
    def play(connected: socket.socket) -> None:
        time.sleep(0.1)
        connected.sendall(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")

    with serve_raw(play) as server:
        with (
            pytest.raises(VideoModelError) as raised,
            open_url(
                server.origin,
                max_bytes=1000,
                timeout_seconds=0.25,
                internet=PublicInternet(own_origins=frozenset({server.origin})),
            ),
        ):
            pass
        assert raised.value.code is ErrorCode.TIMEOUT
        assert server.connections <= 3


@ON_LOOPBACK
def test_a_receiver_that_drips_gave_no_answer_in_time() -> None:
    with serve_raw(drip(b"HTTP/1.1 200 OK\r\nX-Name: ", b"x")) as server:
        began = time.monotonic()
        with pytest.raises(VideoModelError, match="took too long"):
            post_json(server.origin, b"{}", headers={}, timeout_seconds=0.15, is_anywhere_allowed=True)
        assert time.monotonic() - began < 5.0


def test_a_name_whose_look_up_hangs_takes_no_longer_than_the_deadline() -> None:
    is_over = threading.Event()

    def hang(_host: str, _port: int) -> list[str]:
        is_over.wait(30)
        return [PUBLIC_V4]

    try:
        with pytest.raises(VideoModelError) as raised:
            fetch_bytes(URL, max_bytes=10, timeout_seconds=0.1, internet=PublicInternet(resolve=hang))
    finally:
        is_over.set()
    assert raised.value.transient
    assert "took too long" in raised.value.message

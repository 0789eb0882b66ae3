"""Calling one vendor's server: only its origin gets the key, a paid call is sent once, and every answer ends."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Callable, Iterable, Iterator

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mediaposter.ai.provider_errors import ProviderErrors
from mediaposter.domain.errors import ConfigurationError, ErrorCode, SubmissionUnknown, VideoModelError
from mediaposter.http.addresses import parse_base_url
from mediaposter.http.bounded import DEADLINE
from mediaposter.http.file_stream import MAX_DOWNLOAD_SECONDS
from mediaposter.http.outbound import PUBLIC_INTERNET, PublicInternet
from mediaposter.http.reply import Reply
from mediaposter.http.vendor import MAX_REPLY_BYTES, SLOWEST_BYTES_PER_SECOND, ClientTransport, Vendor
from mediaposter.media.video_stream import VideoStream
from tests.fakes.provider import Answer, Body, Host, Internet, SlowBody
from tests.fakes.raw_server import Play, answer, drip, send, serve_raw

BASE_URL = "https://vendor.example/v1"
KEY = "key-of-the-test"
GZIP = {"content-encoding": "gzip"}
PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"

# What httpx raises before the first byte of a request is written; whatever else it raises may come later.
NOT_SENT = {
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
}


def list_kinds(kind: type[httpx.RequestError]) -> Iterator[type[httpx.RequestError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from list_kinds(narrower)


ERRORS = ProviderErrors(host="vendor.example", api_key=KEY, codes_by_word={})

EVERY_BREAK = sorted(set(list_kinds(httpx.RequestError)), key=lambda kind: kind.__name__)


def connect(
    server: Host,
    *,
    internet: Internet | None = None,
    base_url: str = BASE_URL,
    api_key: str = KEY,
    follow_redirects: bool = False,
) -> Vendor:
    return Vendor(
        base_url=parse_base_url(base_url, "https://vendor.example"),
        api_key=api_key,
        errors=ERRORS,
        headers={"X-Version": "7"},
        transport=ClientTransport(server.client(follow_redirects=follow_redirects)),
        timeout_seconds=12.5,
        internet=(internet or Internet()).way,
    )


def accepted() -> httpx.Response:
    return httpx.Response(200, json={"id": "a"})


def open_at(connection: Vendor, location: str, *, start_byte: int = 0, validator: str | None = None) -> VideoStream:
    """Open a video, read it, and give what was told of it."""
    with connection.open_file(
        location, start_byte=start_byte, validator=validator, send_key=True, refuse=ERRORS.refuse_question
    ) as stream:
        return VideoStream(iter([b"".join(stream.chunks)]), stream.start_byte, stream.size_bytes)


def download(connection: Vendor, location: str) -> bytes:
    return b"".join(open_at(connection, location).chunks)


def download_error(connection: Vendor, location: str = "/a.mp4") -> VideoModelError:
    with pytest.raises(VideoModelError) as raised:
        download(connection, location)
    return raised.value


# The address and the key


@pytest.mark.parametrize(
    "base_url",
    [
        "vendor.example/v1",
        "ftp://vendor.example",
        "https://user:hunter2@vendor.example",
        "https://vendor.example/#top",
        "http://vendor.example:x",
        "https://xn--",
    ],
)
def test_an_address_that_is_no_base_url_is_refused(base_url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url") as raised:
        connect(Host(), base_url=base_url)
    assert "hunter2" not in str(raised.value)


@given(text=st.text() | st.text().map("https://{}".format))
def test_any_text_is_an_address_that_can_be_asked_or_is_refused(text: str) -> None:
    server = Host(accepted())
    try:
        connection = connect(server, base_url=text)
    except ConfigurationError:
        return
    connection.ask("GET", "/jobs")
    assert server.requests[0].url.path.endswith("/jobs")


@pytest.mark.parametrize(
    ("base_url", "called"),
    [
        ("http://127.0.0.1:4020", "http://127.0.0.1:4020/jobs"),
        ("https://vendor.example/", "https://vendor.example/jobs"),
        ("https://proxy.example/vendor/v1/", "https://proxy.example/vendor/v1/jobs"),
    ],
)
def test_a_server_is_called_below_its_address(base_url: str, called: str) -> None:
    server = Host(accepted())
    connect(server, base_url=base_url).ask("GET", "/jobs")
    assert str(server.requests[0].url) == called


@pytest.mark.parametrize("api_key", ["", "key-1\n", "key 1", "key-é"])
def test_a_key_that_no_header_takes_is_refused_and_not_repeated(api_key: str) -> None:
    with pytest.raises(ConfigurationError, match="api_key") as raised:
        connect(Host(), api_key=api_key)
    assert not api_key or api_key not in str(raised.value)


@given(api_key=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1))
def test_a_key_arrives_as_it_is(api_key: str) -> None:
    server = Host(accepted())
    connect(server, api_key=api_key).ask("GET", "/jobs")
    assert server.requests[0].headers["authorization"] == f"Bearer {api_key}"


# A paid call


def test_a_submission_carries_the_key_and_the_vendors_headers() -> None:
    server = Host(accepted())
    connection = connect(server)
    connection.submit(
        "/jobs", json={"prompt": "Früh"}, params={"hook": "https://a.example/?b"}, headers={"X-Once": "1"}
    )
    assert server.calls == ["POST /v1/jobs?hook=https%3A%2F%2Fa.example%2F%3Fb"]
    assert server.sent_body == {"prompt": "Früh"}
    connection.submit("/jobs", json={})
    assert [request.headers.get("x-once") for request in server.requests] == ["1", None]
    sent = server.requests[0].headers
    assert (sent["authorization"], sent["x-version"], sent["accept"]) == (f"Bearer {KEY}", "7", "application/json")
    assert sent["user-agent"] == "mediaposter"


def test_a_form_is_sent_in_parts_with_its_picture() -> None:
    server = Host(accepted())
    connect(server).submit("/jobs", form={"prompt": "Früh", "picture": ("reference.png", PNG, "image/png")})
    (request,) = server.requests
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert 'name="prompt"\r\n\r\nFrüh\r\n'.encode() in request.content
    picture = b'name="picture"; filename="reference.png"\r\nContent-Type: image/png\r\n\r\n' + PNG
    assert picture in request.content


@pytest.mark.parametrize("status_code", [200, 302, 409, 503])
def test_any_answer_to_a_submission_is_given_back_and_sent_for_once(status_code: int) -> None:
    server = Host(httpx.Response(status_code, headers={"retry-after": "1", "x-should-retry": "true"}, content=b"said"))
    reply = connect(server).submit("/jobs", json={})
    assert (reply.status_code, reply.headers["retry-after"], reply.content) == (status_code, "1", b"said")
    assert len(server.requests) == 1


@pytest.mark.parametrize("kind", EVERY_BREAK, ids=lambda kind: kind.__name__)
def test_a_submission_is_unknown_unless_it_broke_before_the_first_byte_and_a_question_may_be_asked_again(
    kind: type[httpx.RequestError],
) -> None:
    server = Host(kind("it broke"))
    with pytest.raises(VideoModelError, match="it broke") as raised:
        connect(server).submit("/jobs", json={})
    assert isinstance(raised.value, SubmissionUnknown) == (kind not in NOT_SENT)
    assert raised.value.transient == (kind in NOT_SENT)
    assert len(server.requests) == 1
    with pytest.raises(VideoModelError, match=r"vendor\.example gave no answer: it broke\.") as raised:
        connect(server).ask("GET", "/jobs/a")
    assert not isinstance(raised.value, SubmissionUnknown)
    assert (raised.value.code, raised.value.transient) == (ErrorCode.PROVIDER_ERROR, True)
    assert len(server.requests) == 2


def test_an_acceptance_whose_body_breaks_off_is_unknown() -> None:
    body = Body([b'{"id": "17'], httpx.ReadError("reset"))
    with pytest.raises(SubmissionUnknown):
        connect(Host(httpx.Response(200, stream=body))).submit("/jobs", json={})
    assert body.closed


@pytest.mark.parametrize("status_code", [302, 307])
def test_no_call_is_ever_redirected_even_by_a_client_that_would(status_code: int) -> None:
    server = Host(httpx.Response(status_code, headers={"location": "/v1/elsewhere"}))
    connection = connect(server, follow_redirects=True)
    assert connection.submit("/jobs", json={}).status_code == status_code
    assert connection.ask("GET", "/jobs").status_code == status_code
    assert server.calls == ["POST /v1/jobs", "GET /v1/jobs"]


# Made of what an address is made of, since no random text comes near one.
LOCATIONS = st.text() | st.lists(
    st.sampled_from(
        [
            *("https://", "http://", "ftp:", "data:", "//", "/", "..", "?", "#", ":", "443", "0", "@", "[", "]", "%"),
            *("vendor.example", "evil.example", ".evil", "::1", "xn--", "\\", "é", " ", "\n", "a"),
        ]
    )
).map("".join)


@given(location=LOCATIONS, status_code=st.sampled_from([301, 302, 307, 308]))
@example(location="a:0", status_code=302)
@example(location="//xn--", status_code=302)
@example(location="//[", status_code=302)
def test_whatever_a_redirect_says_a_call_is_made_once_and_answered_or_lost(location: str, status_code: int) -> None:
    redirect = httpx.Response(status_code, headers=[(b"location", location.encode())])
    calls: list[Callable[[Vendor], Reply]] = [
        lambda connection: connection.submit("/jobs", json={}),
        lambda connection: connection.ask("GET", "/jobs"),
    ]
    for call in calls:
        server = Host(redirect)
        outcome: Reply | VideoModelError
        try:
            outcome = call(connect(server))
        except VideoModelError as error:
            outcome = error
        assert isinstance(outcome, Reply | SubmissionUnknown) or outcome.transient
        assert len(server.requests) == 1


# A question


def test_a_question_carries_the_key_and_the_vendors_headers() -> None:
    server = Host(accepted())
    assert connect(server).ask("DELETE", "/jobs", params={"limit": "2"}).body == {"id": "a"}
    assert server.calls == ["DELETE /v1/jobs?limit=2"]
    sent = server.requests[0].headers
    assert (sent["authorization"], sent["x-version"], sent["accept"]) == (f"Bearer {KEY}", "7", "application/json")


# How much, and how long


def test_a_long_answer_is_not_read_to_its_end() -> None:
    taken = 0

    def talk() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 65536

    class Endless(Body):
        def __iter__(self) -> Iterator[bytes]:
            return talk()

    body = Endless([])
    reply = connect(Host(httpx.Response(200, stream=body))).ask("GET", "/jobs")
    assert MAX_REPLY_BYTES < len(reply.content) <= MAX_REPLY_BYTES + 65536
    assert taken == len(reply.content) // 65536
    assert body.closed


def read_length(pieces: Iterable[bytes]) -> bytes:
    return str(sum(map(len, pieces))).encode()


def test_an_answer_may_be_read_as_it_comes() -> None:
    connection = connect(Host(httpx.Response(200, content=b"x" * (MAX_REPLY_BYTES * 2))))
    assert connection.ask("GET", "/jobs", read=read_length).content == str(MAX_REPLY_BYTES * 2).encode()
    assert connection.submit("/jobs", json={}, read=read_length).content == str(MAX_REPLY_BYTES * 2).encode()


def test_an_answer_that_is_read_as_it_comes_may_take_as_long_as_a_video() -> None:
    internet = Internet()
    server = Host(httpx.Response(200, stream=SlowBody(internet, seconds_each=100.0)))
    with pytest.raises(VideoModelError, match="took too long"):
        connect(server, internet=internet).ask("GET", "/jobs/a", read=read_length)
    assert internet.now == MAX_DOWNLOAD_SECONDS + 100.0


def test_an_answer_that_trickles_in_to_a_submission_leaves_it_unknown() -> None:
    internet = Internet()
    server = Host(httpx.Response(200, stream=SlowBody(internet, seconds_each=100.0)))
    with pytest.raises(SubmissionUnknown):
        connect(server, internet=internet).submit("/jobs", json={})
    assert internet.now == 100.0


def test_a_large_body_has_more_time() -> None:
    internet = Internet()
    server = Host(httpx.Response(200, stream=SlowBody(internet, seconds_each=10.0)))
    picture = ("reference.png", b"x" * (20 * SLOWEST_BYTES_PER_SECOND), "image/png")
    with pytest.raises(SubmissionUnknown):
        connect(server, internet=internet).submit("/jobs", form={"picture": picture})
    assert internet.now == 40.0


def test_no_call_takes_longer_than_whoever_waits_for_it_has_patience() -> None:
    calls: list[Callable[[Vendor], object]] = [
        lambda connection: connection.submit("/jobs", json={}),
        lambda connection: connection.ask("GET", "/jobs"),
        lambda connection: connection.ask("GET", "/jobs", read=read_length),
        lambda connection: download(connection, "/a.mp4"),
        lambda connection: download(connection, "https://elsewhere.example/a.mp4"),
    ]
    for call in calls:
        internet = Internet()
        internet.patience_seconds = 5.0
        slow = httpx.Response(200, stream=SlowBody(internet, seconds_each=2.0))
        internet.answers = [slow]
        with pytest.raises(VideoModelError):
            call(connect(Host(slow), internet=internet))
        assert internet.now == 6.0


def test_every_wait_for_the_server_is_bounded() -> None:
    server = Host(accepted())
    connection = connect(server)
    connection.submit("/jobs", json={})
    connection.ask("GET", "/jobs")
    download(connection, "/a.mp4")
    assert len(server.requests) == 3
    for request in server.requests:
        assert set(request.extensions["timeout"].values()) == {12.5}


def test_a_whole_call_has_a_deadline_that_the_transport_keeps_while_it_sends_too() -> None:
    server = Host(accepted())
    connection = connect(server)
    picture = b"p" * SLOWEST_BYTES_PER_SECOND
    connection.ask("GET", "/jobs")
    connection.exchange(httpx.Request("PUT", "https://store.example/a", content=picture))
    download(connection, "/a.mp4")

    assert [request.extensions[DEADLINE].seconds_left for request in server.requests] == pytest.approx(
        [12.5, 12.5 + 1, MAX_DOWNLOAD_SECONDS]
    )


def test_an_answer_that_was_compressed_all_the_same_is_read() -> None:
    server = Host(httpx.Response(200, headers=GZIP, stream=Body([gzip.compress(b'{"id": "a"}')])))
    assert connect(server).submit("/jobs", json={}).body == {"id": "a"}
    assert server.requests[0].headers["accept-encoding"] == "identity"


def test_of_an_answer_that_cannot_be_decoded_the_status_is_left() -> None:
    answer = httpx.Response(401, headers=GZIP, stream=Body([b"no such thing"]))
    reply = connect(Host(answer)).submit("/jobs", json={})
    assert (reply.status_code, reply.body) == (401, None)


def test_what_cannot_be_written_is_refused_before_anything_is_sent() -> None:
    prompt = "half an emoji \ud83d"
    server = Host(accepted())
    calls: list[Callable[[Vendor], object]] = [
        lambda connection: connection.submit("/jobs", json={"prompt": prompt}),
        lambda connection: connection.submit("/jobs", form={"prompt": prompt}),
        lambda connection: connection.submit("/jobs", json={}, params={"hook": prompt}),
        lambda connection: connection.ask("GET", "/jobs", params={"after": prompt}),
        lambda connection: connection.submit("/jobs", json={"seed": float("nan")}),
    ]
    for call in calls:
        with pytest.raises(VideoModelError) as raised:
            call(connect(server))
        assert (raised.value.code, raised.value.transient) == (ErrorCode.INVALID_REQUEST, False)
    assert server.requests == []


# The video


@pytest.mark.parametrize(
    "location",
    [
        "/files/a.mp4",
        "https://vendor.example/files/a.mp4",
        "HTTPS://VENDOR.EXAMPLE:443/files/a.mp4",
    ],
)
@pytest.mark.parametrize("send_key", [True, False])
def test_the_servers_own_origin_gets_the_key_where_it_wants_it(location: str, send_key: bool) -> None:
    server = Host(httpx.Response(200, content=b"movie"))
    internet = Internet()
    with connect(server, internet=internet).open_file(
        location, start_byte=0, validator=None, send_key=send_key, refuse=ERRORS.refuse_question
    ) as stream:
        assert b"".join(stream.chunks) == b"movie"
    assert server.calls == ["GET /files/a.mp4"]
    assert ("authorization" in server.requests[0].headers) == send_key
    assert internet.requests == []


@pytest.mark.parametrize(
    "location",
    [
        "https://vendor.example:8443/a.mp4",
        "https://vendor.example.evil.example/a.mp4",
        "//elsewhere.example/a.mp4",
    ],
)
def test_another_origin_is_a_strangers_and_never_sees_the_key(location: str) -> None:
    server = Host(httpx.Response(200, content=b"not from here"))
    internet = Internet()
    assert download(connect(server, internet=internet), location) == b"movie"
    assert server.requests == []
    assert not internet.saw(KEY)


@pytest.mark.parametrize(
    "location",
    [
        "http://vendor.example/a.mp4",
        "https://user:pw@vendor.example/a.mp4",
        "http://169.254.169.254/latest/meta-data",
        "data:video/mp4;base64,bW92aWU=",
        "https://xn--/a.mp4",
    ],
)
def test_an_address_that_may_not_be_fetched_is_refused(location: str) -> None:
    server = Host(httpx.Response(200, content=b"movie"))
    internet = Internet()
    error = download_error(connect(server, internet=internet), location)
    assert (error.code, error.transient) == (ErrorCode.PROVIDER_ERROR, False)
    assert (server.requests, internet.requests) == ([], [])


def test_a_stand_in_on_this_machine_is_an_own_origin_and_its_neighbour_is_not() -> None:
    server = Host(httpx.Response(200, content=b"movie"))
    internet = Internet()
    internet.addresses = ["127.0.0.1"]
    connection = connect(server, internet=internet, base_url="http://127.0.0.1:4020")
    assert download(connection, "http://127.0.0.1:4020/a.mp4") == b"movie"
    assert not download_error(connection, "http://127.0.0.1:4021/a.mp4").transient
    assert not download_error(connection, "https://127.0.0.1:4020/a.mp4").transient
    assert (len(server.requests), internet.requests) == (1, [])


@pytest.mark.parametrize("by_redirect", [False, True])
def test_a_store_that_is_the_operators_own_may_be_private_and_plain_http_and_never_sees_the_key(
    by_redirect: bool,
) -> None:
    location = "http://10.0.0.7:9000/videos/a.mp4?sig=1"
    redirect = httpx.Response(307, headers={"location": location})
    internet = Internet()
    internet.addresses = ["10.0.0.7"]
    internet.own_origins = frozenset({"http://10.0.0.7:9000"})
    connection = connect(Host(redirect), internet=internet, base_url="http://10.0.0.5:30000/v1")
    assert download(connection, "/v1/videos/a/content" if by_redirect else location) == b"movie"
    assert internet.calls == ["GET /videos/a.mp4?sig=1"]
    assert not internet.saw(KEY)


@pytest.mark.parametrize(
    "location",
    [
        "http://10.0.0.7:9001/a.mp4",
        "http://store:9000/a.mp4",
        "http://10.0.0.7:9000@10.0.0.8/a.mp4",
    ],
)
def test_a_neighbour_of_that_store_is_a_stranger_and_the_refusal_says_how_to_name_it(location: str) -> None:
    internet = Internet()
    internet.addresses = ["10.0.0.7"]
    internet.own_origins = frozenset({"http://10.0.0.7:9000"})
    error = download_error(connect(Host(), internet=internet), location)
    assert (error.code, error.transient, internet.requests) == (ErrorCode.PROVIDER_ERROR, False, [])
    assert "@" in location or f"<provider>-files={location.removesuffix('/a.mp4')}." in error.message


def test_a_redirect_within_the_server_is_followed_with_the_key() -> None:
    server = Host(httpx.Response(307, headers={"location": "b.mp4"}), httpx.Response(200, content=b"movie"))
    stream = open_at(connect(server), "/files/a.mp4", start_byte=3, validator='"v1"')
    assert (stream.start_byte, b"".join(stream.chunks)) == (0, b"movie")
    assert server.calls == ["GET /files/a.mp4", "GET /files/b.mp4"]
    for request in server.requests:
        assert (request.headers["range"], request.headers["if-range"]) == ("bytes=3-", '"v1"')
        assert (request.headers["accept"], request.headers["accept-encoding"]) == ("*/*", "identity")
    assert server.requests[1].headers["authorization"] == f"Bearer {KEY}"


def test_three_redirects_within_the_server_are_followed_and_no_more() -> None:
    redirect = httpx.Response(302, headers={"location": "/again"})
    server = Host(redirect, redirect, redirect, httpx.Response(200, content=b"movie"))
    assert download(connect(server), "/a.mp4") == b"movie"
    server = Host(redirect)
    assert "redirects" in download_error(connect(server)).message
    assert len(server.requests) == 4


@given(location=LOCATIONS, by_redirect=st.booleans())
@example(location="https://xn--", by_redirect=False)
@example(location="a:0", by_redirect=True)
@example(location="https://a@vendor.example/", by_redirect=True)
def test_whatever_address_a_reply_names_only_the_own_origin_sees_the_key(location: str, by_redirect: bool) -> None:
    movie = httpx.Response(200, content=b"movie")
    redirect = httpx.Response(302, headers=[(b"location", location.encode())])
    server = Host(redirect, movie) if by_redirect else Host(movie)
    internet = Internet()
    try:
        assert download(connect(server, internet=internet), "/a.mp4" if by_redirect else location) == b"movie"
    except VideoModelError:
        assert internet.requests == []
    for request in server.requests:
        assert (request.url.scheme, request.url.userinfo, request.url.netloc) == ("https", b"", b"vendor.example")
    assert not internet.saw(KEY)


@pytest.mark.parametrize(
    ("answer", "code", "transient"),
    [
        (httpx.Response(404), ErrorCode.EXPIRED, False),
        (httpx.Response(204), ErrorCode.PROVIDER_ERROR, True),
        (httpx.Response(206, content=b"ie"), ErrorCode.PROVIDER_ERROR, False),
        (httpx.ConnectError("refused"), ErrorCode.PROVIDER_ERROR, True),
    ],
)
def test_an_answer_that_is_no_video_is_an_error(answer: Answer, code: ErrorCode, transient: bool) -> None:
    error = download_error(connect(Host(answer)))
    assert (error.code, error.transient) == (code, transient)


def refuse(reply: Reply) -> VideoModelError:
    return VideoModelError(ErrorCode.EXPIRED, f"The vendor's own {reply.status_code}: {reply.content.decode()}")


def expire(sentence: str) -> VideoModelError:
    return VideoModelError(ErrorCode.EXPIRED, f"Expired: {sentence}", transient=True)


def open_with_judges(server: Host, internet: Internet, location: str) -> VideoModelError:
    with (
        pytest.raises(VideoModelError) as raised,
        connect(server, internet=internet).open_file(
            location, start_byte=0, validator=None, send_key=False, refuse=refuse, expire=expire
        ) as stream,
    ):
        b"".join(stream.chunks)
    return raised.value


def test_an_adapter_may_say_itself_what_its_servers_answer_means() -> None:
    error = open_with_judges(Host(httpx.Response(403, content=b"too old")), Internet(), "/a.mp4")
    assert error.message == "The vendor's own 403: too old"


def test_an_adapter_may_say_itself_that_an_address_elsewhere_is_renewed() -> None:
    error = open_with_judges(Host(), Internet(httpx.Response(403)), "https://elsewhere.example/a.mp4")
    assert error.transient
    assert error.message.startswith("Expired: elsewhere.example answered 403")
    error = open_with_judges(Host(), Internet(httpx.Response(503)), "https://elsewhere.example/a.mp4")
    assert (error.code, error.transient) == (ErrorCode.PROVIDER_ERROR, True)
    assert "Expired" not in error.message


def test_a_readers_own_error_is_left_as_it_is() -> None:
    def read() -> None:
        with connect(Host()).open_file(
            "https://elsewhere.example/a.mp4",
            start_byte=0,
            validator=None,
            send_key=False,
            refuse=refuse,
            expire=expire,
        ):
            raise VideoModelError(ErrorCode.EXPIRED, "the reader's own")

    with pytest.raises(VideoModelError, match=r"^the reader's own$"):
        read()


def test_a_break_while_the_video_comes_is_transient_and_closes_the_connection() -> None:
    body = Body([b"mo"], httpx.ReadError("reset"))
    assert download_error(connect(Host(httpx.Response(200, stream=body)))).transient
    assert body.closed


def test_a_reader_that_stops_early_closes_the_connection() -> None:
    body = Body([b"x" * 200_000, b"y" * 200_000])
    connection = connect(Host(httpx.Response(200, stream=body)))
    with connection.open_file(
        "/a.mp4", start_byte=0, validator=None, send_key=True, refuse=ERRORS.refuse_question
    ) as stream:
        next(stream.chunks)
    assert body.closed


def test_a_video_that_trickles_in_meets_the_deadline() -> None:
    internet = Internet()
    server = Host(httpx.Response(200, stream=SlowBody(internet, seconds_each=100.0)))
    error = download_error(connect(server, internet=internet))
    assert (error.code, error.transient) == (ErrorCode.TIMEOUT, True)
    assert internet.now == MAX_DOWNLOAD_SECONDS + 100.0


def test_a_refusal_that_trickles_in_meets_the_deadline() -> None:
    internet = Internet()
    server = Host(httpx.Response(503, stream=SlowBody(internet, seconds_each=100.0)))
    assert download_error(connect(server, internet=internet)).transient
    assert internet.now == 100.0


# Addresses in replies


@pytest.mark.parametrize(
    ("location", "joined", "is_own"),
    [
        ("http://vendor.example/files/a", "http://vendor.example/files/a", False),
        ("https://user@vendor.example/files/a", "https://user@vendor.example/files/a", False),
        ("files/a", "https://vendor.example/v1/files/a", True),
        ("../files/a", "https://vendor.example/files/a", True),
    ],
)
def test_an_address_in_a_reply_is_read_and_told_from_a_strangers(location: str, joined: str, is_own: bool) -> None:
    connection = connect(Host())
    url = connection.join(location)
    assert (str(url), connection.is_own(url)) == (joined, is_own)


@pytest.mark.parametrize("location", ["https://xn--", "data:,a"])
def test_an_address_in_a_reply_that_is_none_is_the_vendors_fault(location: str) -> None:
    with pytest.raises(VideoModelError, match=r"vendor\.example gave an address that is not a URL") as raised:
        connect(Host()).join(location)
    assert (raised.value.code, raised.value.transient) == (ErrorCode.PROVIDER_ERROR, False)


# The client that is made where none is given, at a real server on this machine

ON_LOOPBACK = pytest.mark.enable_socket(reason="what a connection does shows at its other end, here on loopback")


def connect_for_real(
    base_url: str, *, timeout_seconds: float = 5.0, internet: PublicInternet = PUBLIC_INTERNET
) -> Vendor:
    return Vendor(
        base_url=parse_base_url(base_url, "https://vendor.example"),
        api_key=KEY,
        errors=ERRORS,
        timeout_seconds=timeout_seconds,
        internet=internet,
    )


def answer_on(connected: socket.socket) -> None:
    """Answer each request that comes over a connection, and leave it open."""
    while True:
        connected.sendall(answer(b"{}"))
        if not connected.recv(65_536):
            return


@ON_LOOPBACK
def test_a_proxy_in_the_environment_is_ignored_and_no_connection_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_raw(answer_on) as proxy, serve_raw(answer_on) as server:
        for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.origin)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        connection = connect_for_real(server.origin)
        assert connection.ask("GET", "/jobs").body == {}
        connection.submit("/jobs", json={})
        connection.submit("/jobs", json={})
        assert (proxy.connections, server.connections) == (0, 3)


DRIPS = [
    drip(b"HTTP/1.1 200 OK\r\nX-Name: ", b"x"),
    drip(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n", b"x"),
]


@ON_LOOPBACK
@pytest.mark.parametrize("play", DRIPS, ids=["header", "body"])
def test_a_call_ends_whatever_its_server_drips(play: Play) -> None:
    with serve_raw(play) as server:
        connection = connect_for_real(server.origin, timeout_seconds=0.5)
        began = time.monotonic()
        with pytest.raises(SubmissionUnknown):
            connection.submit("/jobs", json={})
        with pytest.raises(VideoModelError, match="gave no answer") as raised:
            connection.ask("GET", "/jobs")
        assert raised.value.transient
        assert time.monotonic() - began < 5.0
        assert server.connections == 2


@ON_LOOPBACK
@pytest.mark.parametrize("play", DRIPS, ids=["header", "body"])
def test_a_download_ends_whatever_its_server_drips(play: Play) -> None:
    with serve_raw(play) as server:
        patient = PublicInternet(measure_patience=lambda: 0.15)
        began = time.monotonic()
        error = download_error(connect_for_real(server.origin, internet=patient))
        assert error.transient
        assert time.monotonic() - began < 5.0


@ON_LOOPBACK
@pytest.mark.parametrize("location", ["//xn--/", "http://["])
def test_a_redirect_to_no_address_is_an_answer_like_any_other(location: str) -> None:
    redirect = answer(b"", status="302 Found", Location=location)
    with serve_raw(send(redirect)) as server:
        connection = connect_for_real(server.origin)
        assert connection.submit("/jobs", json={}).status_code == 302
        assert connection.ask("GET", "/jobs").status_code == 302
        assert not download_error(connection).transient


@ON_LOOPBACK
def test_a_server_that_hangs_up_after_the_body_leaves_the_submission_unknown_and_gets_it_once() -> None:
    with serve_raw(send(b"")) as server:
        with pytest.raises(SubmissionUnknown):
            connect_for_real(server.origin).submit("/jobs", json={"prompt": "A lake"})
        assert server.connections == 1

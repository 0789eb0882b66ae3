"""Blotato's REST API: what is sent, and what its answers mean."""

from __future__ import annotations

import gzip
import json
import socket
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from mediaposter.domain.errors import ConfigurationError, ErrorCode, PostUnknown, PublisherError
from mediaposter.http.reply import MAX_SENTENCE_LENGTH
from mediaposter.publishing.blotato_client import BlotatoClient
from mediaposter.publishing.publisher_interface import PostReport, PostStatus
from tests.builders import NOW, a_target
from tests.fakes.provider import Body
from tests.fakes.raw_server import Play, answer, drip, send, serve_raw
from tests.unit.publishing.blotato_replies import KEY, Blotato, Reply, connect

PRESIGNED_URL = "https://storage.example/put/clip.mp4?X-Amz-Signature=5ec7e7"
PUBLIC_URL = "https://database.blotato.io/1/clip.mp4"
MEDIA_URL = "https://media.example/clip.mp4"
GZIP = {"content-encoding": "gzip"}
MP4 = b"\x00\x00\x00\x18ftypisom" * 40_000

UPLOAD = httpx.Response(201, json={"presignedUrl": PRESIGNED_URL, "publicUrl": PUBLIC_URL})
ACCEPTED = httpx.Response(201, json={"postSubmissionId": "submission-1"})


def publish(client: BlotatoClient) -> PostReport:
    return client.publish(a_target(), text="Look up", media_url=MEDIA_URL)


def upload(client: BlotatoClient) -> str:
    chunks: Iterator[bytes] = iter([MP4[:1_000], MP4[1_000:]])
    return client.upload_stream(chunks, size_bytes=len(MP4), filename="clip.mp4")


def check(client: BlotatoClient) -> PostReport:
    return client.get_post("submission-1")


CALLS = pytest.mark.parametrize("call", [publish, upload, check], ids=["publish", "upload", "check"])


def error_of(call: Callable[[BlotatoClient], object], *replies: Reply) -> PublisherError:
    blotato, client = connect(*replies)
    with pytest.raises(PublisherError) as error:
        call(client)
    assert len(blotato.requests) == len(replies), "sent again by itself"
    return error.value


def refusal_of(call: Callable[[BlotatoClient], object], *replies: Reply) -> PublisherError:
    """Give an error that says that nothing was posted."""
    error = error_of(call, *replies)
    assert not isinstance(error, PostUnknown)
    return error


def test_a_client_without_a_key_says_where_to_put_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BLOTATO_API_KEY", raising=False)

    with pytest.raises(ConfigurationError, match="BLOTATO_API_KEY"):
        BlotatoClient()


@pytest.mark.parametrize(
    ("key", "base_url", "named"),
    [
        ("key\n", None, "api_key"),
        (KEY, "blotato.example", "base_url"),
        (KEY, "https://u:pw@blotato.example", "base_url"),
    ],
)
def test_a_key_or_an_address_that_cannot_be_used_is_refused_before_anything_is_sent(
    key: str, base_url: str | None, named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        BlotatoClient(key, base_url=base_url)


def test_the_key_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOTATO_API_KEY", KEY)
    blotato = Blotato(ACCEPTED)

    publish(BlotatoClient(transport=httpx.MockTransport(blotato)))

    assert blotato.requests[0].headers["blotato-api-key"] == KEY
    assert "authorization" not in blotato.requests[0].headers
    assert blotato.requests[0].url.host == "backend.blotato.com"
    assert KEY not in repr(BlotatoClient())


def status(word: str, **fields: object) -> httpx.Response:
    return httpx.Response(200, json={"postSubmissionId": "submission-1", "status": word, **fields})


def test_a_post_is_written_as_documented() -> None:
    blotato, client = connect(ACCEPTED)

    client.publish(a_target("facebook", "98432"), text="Look up", media_url=MEDIA_URL)

    assert (blotato.requests[0].method, str(blotato.requests[0].url)) == ("POST", "https://blotato.example/v2/posts")
    assert blotato.body == {
        "post": {
            "accountId": "98432",
            "content": {"text": "Look up", "mediaUrls": [MEDIA_URL], "platform": "facebook"},
            "target": {"targetType": "facebook", "pageId": "12345", "mediaType": "reel"},
        }
    }


@pytest.mark.parametrize(
    ("when", "written"),
    [
        (
            {"scheduled_time": datetime(2026, 12, 24, 20, 15, tzinfo=timezone(timedelta(hours=2)))},
            {"scheduledTime": "2026-12-24T18:15:00.000Z"},
        ),
        ({"next_free_slot": True}, {"useNextFreeSlot": True}),
    ],
)
def test_a_time_stands_beside_the_post_and_not_in_it(when: dict[str, Any], written: dict[str, Any]) -> None:
    blotato, client = connect(ACCEPTED, ACCEPTED)

    client.publish(a_target(), text="Look up", media_url=MEDIA_URL, **when)
    client.create_post(account_id="98432", platform="twitter", text="Look up", media_urls=[MEDIA_URL], **when)

    for request in blotato.requests:
        assert {name: value for name, value in json.loads(request.content).items() if name != "post"} == written


@pytest.mark.parametrize(
    ("when", "sentence"),
    [
        ({"scheduled_time": NOW, "next_free_slot": True}, "not both"),
        ({"scheduled_time": NOW.replace(tzinfo=None)}, "needs its offset from UTC"),
    ],
)
def test_a_post_whose_time_makes_no_sense_is_never_sent(when: dict[str, Any], sentence: str) -> None:
    blotato, client = connect()

    with pytest.raises(ValueError, match=sentence):
        client.publish(a_target(), text="Look up", media_url=MEDIA_URL, **when)

    assert blotato.requests == []


@pytest.mark.parametrize(
    ("fields", "report"),
    [
        ({"new": {"field": 1}}, {"status": PostStatus.IN_PROGRESS}),
        (
            {"scheduledTime": "2026-12-01T15:00:00Z"},
            {"status": PostStatus.SCHEDULED, "scheduled_time": datetime(2026, 12, 1, 15, tzinfo=UTC)},
        ),
    ],
)
def test_an_accepted_post_is_not_yet_published(fields: dict[str, Any], report: dict[str, Any]) -> None:
    _, client = connect(httpx.Response(201, json={"postSubmissionId": "submission-1", **fields}))

    assert publish(client) == PostReport(submission_id="submission-1", **report)


def test_a_post_can_be_made_from_plain_arguments() -> None:
    blotato, client = connect(ACCEPTED, ACCEPTED)

    client.create_post(
        account_id="98432",
        platform="tiktok",
        text="Look up",
        media_urls=[MEDIA_URL],
        privacy_level="SELF_ONLY",
    )
    client.create_post(
        account_id="1", platform="twitter", text="Look up", media_urls=[MEDIA_URL], disclosure="Made with AI"
    )

    first, second = (json.loads(request.content)["post"] for request in blotato.requests)
    assert (first["accountId"], first["target"]["privacyLevel"]) == ("98432", "SELF_ONLY")
    assert first["target"]["isAiGenerated"] is True
    assert second["content"]["text"] == "Look up\nMade with AI"


@pytest.mark.parametrize("fields", [{"platform": "tiktok"}, {"platform": "twitter", "text": "x" * 281}])
def test_a_post_that_does_not_fit_its_network_is_never_sent(fields: dict[str, Any]) -> None:
    blotato, client = connect()

    with pytest.raises(ValidationError):
        client.create_post(**{"account_id": "1", "text": "Look up", "media_urls": [MEDIA_URL], **fields})

    assert blotato.requests == []


# Which breaks are which is told for every one of them in test_vendor.
NEVER_SENT = [httpx.ConnectError("refused"), httpx.PoolTimeout("no connection")]
LOST = [httpx.ReadTimeout("slow"), httpx.WriteError("broken pipe"), httpx.DecodingError("not gzip")]


@pytest.mark.parametrize("error", NEVER_SENT, ids=lambda error: type(error).__name__)
def test_a_post_that_never_left_may_be_sent_later(error: Exception) -> None:
    refusal = refusal_of(publish, error)

    assert (refusal.code, refusal.transient) == (ErrorCode.PROVIDER_ERROR, True)
    assert refusal.message == f"Blotato could not be reached: {type(error).__name__}."


@pytest.mark.parametrize("error", LOST, ids=lambda error: type(error).__name__)
def test_a_post_that_left_without_an_answer_may_be_public(error: Exception) -> None:
    unknown = error_of(publish, error)

    assert isinstance(unknown, PostUnknown)
    assert (unknown.code, unknown.transient) == (ErrorCode.SUBMISSION_UNKNOWN, False)
    assert unknown.message == f"Blotato did not answer the post: {type(error).__name__}. It may be public."


@pytest.mark.parametrize("status_code", [500, 503, 408, 302])
def test_an_answer_that_is_neither_yes_nor_no_may_be_public(status_code: int) -> None:
    unknown = error_of(publish, httpx.Response(status_code, json={"message": "hm"}))

    assert isinstance(unknown, PostUnknown)
    assert unknown.message == f"Blotato answered {status_code} to the post. It may be public."


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(204),
        httpx.Response(200, text="<html>OK</html>"),
        httpx.Response(201, json={"postSubmissionId": ""}),
        httpx.Response(201, json={"postSubmissionId": "x" * 1_000}),
        httpx.Response(202, json={"postSubmissionId": "submission-1", "scheduledTime": "soon"}),
        httpx.Response(201, headers=GZIP, stream=Body([b"no such thing"])),
    ],
)
def test_a_yes_without_an_id_may_be_public(reply: httpx.Response) -> None:
    unknown = error_of(publish, reply)

    assert isinstance(unknown, PostUnknown)
    assert unknown.message == "Blotato took the post but its answer has no id. It may be public."


REFUSALS = pytest.mark.parametrize(
    ("status_code", "code", "is_transient"),
    [
        (400, ErrorCode.INVALID_REQUEST, False),
        (401, ErrorCode.AUTHENTICATION, False),
        (402, ErrorCode.INSUFFICIENT_CREDIT, False),
        (403, ErrorCode.AUTHENTICATION, False),
        (422, ErrorCode.INVALID_REQUEST, False),
        (429, ErrorCode.RATE_LIMITED, True),
    ],
)


@CALLS
@REFUSALS
def test_a_refusal_is_in_blotatos_words(
    call: Callable[[BlotatoClient], object], status_code: int, code: ErrorCode, is_transient: bool
) -> None:
    refusal = refusal_of(call, httpx.Response(status_code, json={"message": "body.post.target must be an object"}))

    assert (refusal.code, refusal.transient) == (code, is_transient)
    assert refusal.message == "body.post.target must be an object"


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'{"message": 1}'])
def test_a_refusal_without_words_tells_its_number(content: bytes) -> None:
    assert refusal_of(publish, httpx.Response(422, content=content)).message == "Blotato answered 422."


@pytest.mark.parametrize(
    ("message", "headers", "wait_seconds"),
    [
        ("Too many requests. Try again in 20 seconds.", {}, 20),
        ("Retry after 1500 ms", {}, 1.5),
        ("Please wait 2 minutes", {}, 120),
        ("Try again in 20 seconds.", {"Retry-After": "33"}, 33),
        ("Limit 30 requests", {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 60),
        ("Too many requests.", {"Retry-After": "²"}, 60),
        ("Wait 999999999 minutes", {}, 86_400),
        ("Wait 1000000000000 seconds", {}, 60),
    ],
)
def test_a_limit_says_how_long_to_wait(message: str, headers: dict[str, str], wait_seconds: float) -> None:
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]

    refusal = refusal_of(publish, httpx.Response(429, headers=encoded, json={"message": message}))

    assert refusal.retry_after_seconds == wait_seconds


@pytest.mark.parametrize("status_code", [401, 422])
def test_only_a_limit_is_waited_for(status_code: int) -> None:
    reply = httpx.Response(status_code, headers={"Retry-After": "33"}, json={"message": "Try again in 20 seconds."})

    assert refusal_of(publish, reply).retry_after_seconds is None


@pytest.mark.parametrize(
    ("reply", "report"),
    [
        (
            status("published", publicUrl="https://x.com/1"),
            PostReport(submission_id="submission-1", status=PostStatus.PUBLISHED, public_url="https://x.com/1"),
        ),
        (status("published"), PostReport(submission_id="submission-1", status=PostStatus.PUBLISHED)),
        (
            status("failed", errorMessage="reached_active_user_cap"),
            PostReport(submission_id="submission-1", status=PostStatus.FAILED, error_message="reached_active_user_cap"),
        ),
        (
            status("scheduled", scheduledTime="2026-12-01T15:00:00Z"),
            PostReport(
                submission_id="submission-1",
                status=PostStatus.SCHEDULED,
                scheduled_time=datetime(2026, 12, 1, 15, tzinfo=UTC),
            ),
        ),
        (status("in-progress"), PostReport(submission_id="submission-1", status=PostStatus.IN_PROGRESS)),
    ],
)
def test_a_status_is_read(reply: httpx.Response, report: PostReport) -> None:
    _, client = connect(reply)

    assert check(client) == report


@pytest.mark.parametrize("word", ["PUBLISHED", ""])
def test_an_undocumented_word_is_no_end(word: str) -> None:
    _, client = connect(status(word))

    assert check(client).status is PostStatus.IN_PROGRESS


def test_an_id_cannot_lead_to_another_route() -> None:
    blotato, client = connect(status("published"))

    client.get_post("../users/me?x=1#y")

    assert blotato.requests[0].url.raw_path == b"/v2/posts/..%2Fusers%2Fme%3Fx%3D1%23y"


@pytest.mark.parametrize("error", [NEVER_SENT[0], LOST[0], LOST[-1]], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("call", [check, upload], ids=["check", "upload"])
def test_a_call_that_is_not_public_may_be_made_again_after_any_break(
    call: Callable[[BlotatoClient], object], error: Exception
) -> None:
    refusal = refusal_of(call, error)

    assert (refusal.code, refusal.transient) == (ErrorCode.PROVIDER_ERROR, True)


@pytest.mark.parametrize("status_code", [408, 500])
@pytest.mark.parametrize("call", [check, upload], ids=["check", "upload"])
def test_a_call_that_is_not_public_may_be_made_again_after_a_fault(
    call: Callable[[BlotatoClient], object], status_code: int
) -> None:
    assert refusal_of(call, httpx.Response(status_code)).transient is True


@pytest.mark.parametrize("call", [check, upload], ids=["check", "upload"])
def test_a_yes_that_is_not_as_documented_is_a_passing_fault(call: Callable[[BlotatoClient], object]) -> None:
    refusal = refusal_of(call, httpx.Response(200, text="<html>"))

    assert (refusal.code, refusal.transient) == (ErrorCode.PROVIDER_ERROR, True)
    assert refusal.message == "blotato.example answered 200 with an unexpected body."


def test_a_video_is_sent_to_the_address_blotato_gives_for_its_name() -> None:
    blotato, client = connect(UPLOAD, httpx.Response(200))

    assert upload(client) == PUBLIC_URL

    ask, put = blotato.requests
    assert (ask.method, str(ask.url)) == ("POST", "https://blotato.example/v2/media/uploads")
    assert json.loads(ask.content) == {"filename": "clip.mp4"}
    assert (put.method, str(put.url)) == ("PUT", PRESIGNED_URL)
    assert put.content == MP4


def test_an_upload_tells_its_length_and_not_the_key() -> None:
    blotato, client = connect(UPLOAD, httpx.Response(200))

    upload(client)

    headers = blotato.requests[1].headers
    assert (headers["content-length"], headers["content-type"]) == (str(len(MP4)), "video/mp4")
    assert "transfer-encoding" not in headers
    assert KEY not in str(headers.multi_items())


def test_a_file_is_sent_under_its_name(tmp_path: Path) -> None:
    blotato, client = connect(UPLOAD, httpx.Response(200))
    path = tmp_path / "kite.mp4"
    path.write_bytes(MP4)

    assert client.upload_media(path) == PUBLIC_URL

    assert json.loads(blotato.requests[0].content) == {"filename": "kite.mp4"}
    assert blotato.requests[1].content == MP4
    assert blotato.requests[1].headers["content-length"] == str(len(MP4))


def test_a_public_address_is_handed_on() -> None:
    url = "http://media.example/clip.mp4"
    blotato, client = connect(httpx.Response(201, json={"url": PUBLIC_URL, "id": "1"}))

    assert client.upload_media(url) == PUBLIC_URL

    assert str(blotato.requests[0].url) == "https://blotato.example/v2/media"
    assert blotato.body == {"url": url}


@pytest.mark.parametrize(
    ("status_code", "code", "is_transient"),
    [
        (403, ErrorCode.PROVIDER_ERROR, True),  # the address ran out: a new one is asked for
        (302, ErrorCode.PROVIDER_ERROR, True),
        (413, ErrorCode.INVALID_REQUEST, False),
        (415, ErrorCode.INVALID_REQUEST, False),
        (422, ErrorCode.INVALID_REQUEST, False),
    ],
)
def test_a_refused_upload_is_final_only_when_another_address_cannot_help(
    status_code: int, code: ErrorCode, is_transient: bool
) -> None:
    refusal = refusal_of(upload, UPLOAD, httpx.Response(status_code, text="<Error/>"))

    assert (refusal.code, refusal.transient) == (code, is_transient)
    assert refusal.message == f"Blotato's storage answered {status_code} to the upload of {len(MP4)} bytes."


@pytest.mark.parametrize("error", [NEVER_SENT[0], LOST[0]], ids=lambda error: type(error).__name__)
def test_an_upload_that_breaks_off_may_be_made_again(error: Exception) -> None:
    refusal = refusal_of(upload, UPLOAD, error)

    assert (refusal.code, refusal.transient) == (ErrorCode.PROVIDER_ERROR, True)
    assert refusal.message == f"The upload to Blotato broke off: {type(error).__name__}."


def test_no_message_repeats_the_presigned_address_or_the_key() -> None:
    leaky = httpx.ConnectError(f"{PRESIGNED_URL} with {KEY}")

    for error in (
        error_of(upload, UPLOAD, leaky),
        error_of(upload, leaky),
        error_of(publish, leaky),
        error_of(check, leaky),
        error_of(upload, UPLOAD, httpx.Response(403, text=PRESIGNED_URL)),
    ):
        assert "5ec7e7" not in str(error)
        assert "storage.example" not in str(error)
        assert KEY not in str(error)


# How much, and how long


@pytest.mark.parametrize(
    "message",
    ["1" * 250_000, "1." * 125_000, "1" + " " * 250_000, "https://a?" * 25_000],
)
def test_a_refusal_of_any_length_is_read_at_once_and_kept_short(message: str) -> None:
    began = time.process_time()

    refusal = refusal_of(publish, httpx.Response(429, json={"message": message}))

    assert time.process_time() - began < 2.0
    assert len(refusal.message) <= MAX_SENTENCE_LENGTH


def test_a_refusal_is_kept_without_the_key_and_without_signatures() -> None:
    reply = httpx.Response(400, json={"message": f"{KEY} may not read {PRESIGNED_URL}"})

    assert refusal_of(publish, reply).message == "[key] may not read https://storage.example/put/clip.mp4"


@pytest.mark.parametrize("status_code", [200, 400])
def test_an_answer_that_unfolds_is_read_to_a_length(status_code: int) -> None:
    bomb = gzip.compress(b" " * 16 * 1024**2)
    tracemalloc.start()
    try:
        error_of(publish, httpx.Response(status_code, headers=GZIP, stream=Body([bomb])))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_bytes < 8 * 1024**2


def test_a_refusal_that_cannot_be_decoded_tells_its_number() -> None:
    reply = httpx.Response(401, headers=GZIP, stream=Body([b"no such thing"]))

    assert refusal_of(upload, reply).message == "Blotato answered 401."


@pytest.mark.parametrize(
    "content",
    [b"[]", b"NaN", b'{"status": NaN}', b"[" * 100_000, b"\xff\xfe{\0"],
)
def test_an_answer_that_is_no_object_is_a_passing_fault(content: bytes) -> None:
    assert refusal_of(check, httpx.Response(200, content=content)).transient is True


def test_what_is_kept_of_an_answer_has_a_length() -> None:
    _, client = connect(status("failed", errorMessage="x" * 100_000, publicUrl="https://x.com/" + "x" * 100_000))

    assert check(client) == PostReport(
        submission_id="submission-1", status=PostStatus.FAILED, error_message="x" * MAX_SENTENCE_LENGTH
    )


@pytest.mark.parametrize(
    "presigned_url",
    ["clip.mp4", "http://storage.example/put", "https://xn--/put"],
)
def test_a_video_is_sent_by_https_or_not_at_all(presigned_url: str) -> None:
    refusal = refusal_of(upload, httpx.Response(201, json={"presignedUrl": presigned_url, "publicUrl": PUBLIC_URL}))

    assert (refusal.code, refusal.transient) == (ErrorCode.PROVIDER_ERROR, True)


def test_a_text_that_cannot_be_written_is_never_sent() -> None:
    blotato, client = connect()

    with pytest.raises(PublisherError, match="nothing was sent") as raised:
        client.publish(a_target(), text="half an emoji \ud83d", media_url=MEDIA_URL)

    assert not isinstance(raised.value, PostUnknown)
    assert blotato.requests == []


# At real sockets

ON_LOOPBACK = pytest.mark.enable_socket(reason="how long a read takes shows only at a real socket, here on loopback")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@ON_LOOPBACK
@pytest.mark.parametrize(
    "play",
    [drip(b"HTTP/1.1 200 OK\r\nX-Name: ", b"x"), drip(CHUNKED, b"1\r\nx\r\n")],
    ids=["header", "chunks"],
)
def test_a_question_ends_whatever_blotato_drips(play: Play) -> None:
    with serve_raw(play) as server:
        client = BlotatoClient(KEY, base_url=server.origin, timeout_seconds=0.15)
        began = time.monotonic()
        with pytest.raises(PublisherError, match="could not be reached: ReadTimeout") as raised:
            check(client)
        assert raised.value.transient
        with pytest.raises(PostUnknown):
            publish(client)
        assert time.monotonic() - began < 5.0
        assert server.connections == 2


@ON_LOOPBACK
def test_a_list_ends_with_all_its_pages() -> None:
    def play(connected: socket.socket) -> None:
        time.sleep(0.1)
        connected.sendall(answer(b'{"items": [], "cursor": "more"}'))

    with serve_raw(play) as server:
        client = BlotatoClient(KEY, base_url=server.origin, timeout_seconds=0.35)
        began = time.monotonic()
        with pytest.raises(PublisherError) as raised:
            client.list_schedules()
        assert raised.value.transient
        assert time.monotonic() - began < 3.0


@ON_LOOPBACK
def test_an_upload_is_over_when_storage_has_answered_and_not_when_it_has_finished_talking() -> None:
    with serve_raw(drip(CHUNKED + b"5;name=", b"x")) as storage:
        place = json.dumps({"presignedUrl": storage.origin, "publicUrl": PUBLIC_URL}).encode()
        with serve_raw(send(answer(place))) as server:
            began = time.monotonic()
            assert upload(BlotatoClient(KEY, base_url=server.origin)) == PUBLIC_URL
            assert time.monotonic() - began < 5.0

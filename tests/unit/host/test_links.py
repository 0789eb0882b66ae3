"""Links to files, and the answers to a request for one."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaposter.domain.errors import NotFound
from mediaposter.host.bucket import FolderBucket
from mediaposter.host.links import FileAnswer, Grant, LinkRefused, Links, answer_download, receive_upload
from mediaposter.stores.bucket import StoredObject

NOW = 1_790_000_000
KEY = "videos/video_1/video ü&=%.mp4"
GRANT = Grant("GET", KEY, NOW + 900, filename="ein Drachen.mp4")
ETAG = '"1-a"'


def make_links(*, secret: bytes = b"s" * 32, now: float = NOW) -> Links:
    return Links(secret, lambda: "http://127.0.0.1:8000", clock=lambda: now)


def sign_get() -> str:
    return make_links().sign_get(KEY, filename="ein Drachen.mp4", seconds=900)


def sign_put() -> str:
    return make_links().sign_put("uploads/ann/upload_1", content_type="image/png", size_bytes=5, seconds=900)


def test_a_link_allows_what_was_signed() -> None:
    url = urlsplit(sign_get())

    assert (url.netloc, url.path) == ("127.0.0.1:8000", "/files")
    for method in ("GET", "HEAD"):
        assert make_links().verify(method, url.query) == GRANT
    assert make_links().verify("PUT", urlsplit(sign_put()).query) == Grant(
        "PUT", "uploads/ann/upload_1", NOW + 900, content_type="image/png", size_bytes=5
    )


def test_a_link_outlives_a_restart_and_no_other_host_takes_it() -> None:
    query = urlsplit(sign_get()).query

    assert make_links(now=NOW + 899.9).verify("GET", query) == GRANT
    with pytest.raises(LinkRefused, match="expired"):
        make_links(now=NOW + 900).verify("GET", query)
    with pytest.raises(LinkRefused, match="not made here"):
        make_links(secret=b"t" * 32).verify("GET", query)


@pytest.mark.parametrize("name", ["key", "expires", "filename", "signature", "size", "content_type"])
@pytest.mark.parametrize("sign", [sign_get, sign_put])
def test_a_link_that_was_changed_allows_nothing(name: str, sign: object) -> None:
    query = urlsplit(sign_get() if sign is sign_get else sign_put()).query
    method = "GET" if sign is sign_get else "PUT"
    fields = dict(parse_qsl(query))
    changed = {**fields, name: fields.get(name, "") + "1"}

    with pytest.raises(LinkRefused):
        make_links().verify(method, urlencode(changed))
    if name in fields:
        with pytest.raises(LinkRefused):
            make_links().verify(method, urlencode({each: value for each, value in fields.items() if each != name}))
        with pytest.raises(LinkRefused, match="twice"):
            make_links().verify(method, f"{query}&{urlencode({name: fields[name]})}")


@pytest.mark.parametrize(("sign", "methods"), [(sign_get, ("PUT", "POST", "DELETE")), (sign_put, ("GET", "HEAD"))])
def test_a_link_is_for_its_own_method(sign: object, methods: tuple[str, ...]) -> None:
    query = urlsplit(sign_get() if sign is sign_get else sign_put()).query
    for method in methods:
        with pytest.raises(LinkRefused, match=f"for {method}"):
            make_links().verify(method, query)


@given(st.text())
def test_whatever_is_asked_is_refused_and_breaks_nothing(query: str) -> None:
    for asked in (query, f"key=a&expires=1790000900&signature={query}", f"key=a&expires={query}&signature=a"):
        with pytest.raises(LinkRefused):
            make_links().verify("GET", asked)


def test_a_short_secret_signs_nothing() -> None:
    with pytest.raises(ValueError, match="must have 32"):
        Links(b"short", str)


def answer(size_bytes: int, method: str = "GET", **headers: str) -> FileAnswer:
    stored = StoredObject(KEY, "1-a", size_bytes, "video/mp4", ETAG)
    return answer_download(stored, GRANT, method, {name.replace("_", "-"): value for name, value in headers.items()})


def test_a_whole_file_is_answered_with_what_it_is() -> None:
    answered = answer(1_000)

    assert (answered.status, answered.first_byte, answered.size_bytes) == (200, 0, 1_000)
    assert dict(answered.headers) == {
        "ETag": ETAG,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private",
        "Content-Type": "video/mp4",
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": "attachment; filename=\"ein_Drachen.mp4\"; filename*=UTF-8''ein%20Drachen.mp4",
        "Content-Length": "1000",
    }


def test_head_is_answered_as_get_is_but_without_bytes_or_ranges() -> None:
    answered = answer(1_000, "HEAD", range="bytes=0-9")

    assert answered == answer(1_000)._replace(size_bytes=0)


@pytest.mark.parametrize(
    ("text", "status", "content_range"),
    [
        ("bytes=0-0", 206, "bytes 0-0/1000"),
        ("bytes=990-", 206, "bytes 990-999/1000"),
        ("bytes=-10", 206, "bytes 990-999/1000"),
        ("bytes=-5000", 206, "bytes 0-999/1000"),
        ("BYTES=10-99999", 206, "bytes 10-999/1000"),
        ("bytes=1000-", 416, "bytes */1000"),
        ("bytes=-0", 416, "bytes */1000"),
        ("bytes=9-8", 200, None),
        ("bytes=0-1,5-6", 200, None),
        ("bytes=", 200, None),
        ("bytes=-", 200, None),
        ("bytes=a-b", 200, None),
        ("items=0-1", 200, None),
        (f"bytes=0-{'9' * 5_000}", 200, None),
    ],
)
def test_one_range_is_answered_and_what_is_none_is_ignored(text: str, status: int, content_range: str | None) -> None:
    answered = answer(1_000, range=text)

    assert (answered.status, dict(answered.headers).get("Content-Range")) == (status, content_range)


@given(st.integers(0, 50), st.none() | st.integers(0, 60), st.none() | st.integers(0, 60))
def test_a_range_gives_the_bytes_that_it_names(size_bytes: int, first: int | None, last: int | None) -> None:
    body = bytes(range(size_bytes))
    answered = answer(size_bytes, range=f"bytes={'' if first is None else first}-{'' if last is None else last}")
    sent = body[answered.first_byte : answered.first_byte + answered.size_bytes]

    if first is None and last is not None:
        wanted = body[len(body) - min(last, len(body)) :]
    else:
        wanted = body[first or 0 : None if last is None else last + 1]
    is_range = (first, last) != (None, None) and not (first is not None and last is not None and last < first)
    assert answered.status == (200 if not is_range else 206 if wanted else 416)
    headers = dict(answered.headers)
    if answered.status == 206:
        assert sent == wanted
        last_byte = answered.first_byte + len(sent) - 1
        assert headers["Content-Range"] == f"bytes {answered.first_byte}-{last_byte}/{size_bytes}"
    assert answered.status == 416 or headers["Content-Length"] == str(len(sent))


@pytest.mark.parametrize(
    ("validator", "status"), [(ETAG, 206), ('"2-b"', 200), (f"W/{ETAG}", 200), ("Mon, 30 Nov 2026 10:00:00 GMT", 200)]
)
def test_a_range_of_another_version_is_answered_with_the_whole(validator: str, status: int) -> None:
    assert answer(1_000, range="bytes=0-9", if_range=validator).status == status


@pytest.mark.parametrize(
    ("etags", "status"), [(ETAG, 304), (f'"2-b", W/{ETAG}', 304), ("*", 304), ('"2-b"', 200), ("", 200)]
)
def test_a_version_that_is_known_is_not_sent_again(etags: str, status: int) -> None:
    answered = answer(1_000, if_none_match=etags)

    assert (answered.status, answered.size_bytes) == (status, 0 if status == 304 else 1_000)


PUT_GRANT = Grant("PUT", "uploads/ann/upload_1", NOW + 900, content_type="image/png", size_bytes=5)
HEADERS = {"content-type": "image/png", "content-length": "5"}


def test_an_upload_of_the_type_and_the_length_is_taken(tmp_path: Path) -> None:
    bucket = FolderBucket(tmp_path, make_links())

    answered = receive_upload(bucket, PUT_GRANT, HEADERS, [b"pi", b"", b"xel"])

    kept = bucket.head(PUT_GRANT.key)
    assert answered == FileAnswer(200, (("ETag", kept.etag),))
    assert (bucket.read(PUT_GRANT.key), kept.content_type) == (b"pixel", "image/png")


@pytest.mark.parametrize(
    ("changes", "body", "status", "message"),
    [
        ({"content-type": "text/html"}, b"pixel", 403, "takes 5 bytes of image/png, and 5 bytes of text/html came"),
        ({"content-type": None}, b"pixel", 403, "5 bytes of no type came"),
        ({"content-length": "6"}, b"pixels", 403, "and 6 bytes of image/png came"),
        ({"content-length": None}, b"pixel", 411, "Send Content-Length"),
        ({}, b"pixels", 400, "longer than Content-Length said"),
        ({}, b"pix", 400, "ended 2 bytes early"),
    ],
)
def test_another_upload_is_refused_and_nothing_is_stored(
    tmp_path: Path, changes: dict[str, str | None], body: bytes, status: int, message: str
) -> None:
    bucket = FolderBucket(tmp_path, make_links())
    headers = {name: value for name, value in {**HEADERS, **changes}.items() if value is not None}

    answered = receive_upload(bucket, PUT_GRANT, headers, iter([body[:2], body[2:]]))

    assert answered.status == status
    assert message in str(answered.message)
    assert "Nothing was stored." in str(answered.message)
    with pytest.raises(NotFound):
        bucket.head(PUT_GRANT.key)


def test_a_link_says_nothing_but_what_it_allows() -> None:
    assert set(parse_qs(urlsplit(sign_get()).query)) == {"key", "expires", "filename", "signature"}

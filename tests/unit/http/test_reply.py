"""What a server answers is data: decoded within bounds, parsed whatever is cut in it, and shortened in linear time."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mediaposter.http.reply import (
    MAX_INFLATED_BYTES,
    MAX_RETRY_AFTER_SECONDS,
    MAX_SENTENCE_LENGTH,
    clean_sentence,
    parse_json,
    parse_retry_after,
    read_pieces,
)
from tests.fakes.provider import Body

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
# What takes longer than this looks at some characters again and again: linear work is done in a hundredth of it.
SECONDS = 2.0


def compress_bare(content: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush()


def reply(body: bytes, encoding: str, *, piece_bytes: int = 1000) -> httpx.Response:
    pieces = [body[start : start + piece_bytes] for start in range(0, len(body), piece_bytes)]
    return httpx.Response(200, headers={"content-encoding": encoding}, stream=Body(pieces))


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("X-GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", compress_bare),
        ("", bytes),
        ("identity, gzip", gzip.compress),
    ],
)
@pytest.mark.parametrize("piece_bytes", [1, 100_000])
def test_a_body_is_read_as_it_was_before_it_was_compressed(
    encoding: str, compress: Callable[[bytes], bytes], piece_bytes: int
) -> None:
    content = bytes(range(256)) * 20
    assert b"".join(read_pieces(reply(compress(content), encoding, piece_bytes=piece_bytes))) == content


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "gzip;q=1", "🦆"])
def test_what_was_not_asked_for_is_not_decoded(encoding: str) -> None:
    body = gzip.compress(gzip.compress(b"{}"))
    headers = [(b"content-encoding", encoding.encode())]
    with pytest.raises(httpx.DecodingError, match="unsupported compression"):
        list(read_pieces(httpx.Response(200, headers=headers, stream=Body([body]))))


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_body_that_is_not_compressed_as_it_says_is_an_error(encoding: str) -> None:
    with pytest.raises(httpx.DecodingError):
        list(read_pieces(reply(b'{"id": "a"}', encoding)))


def test_a_body_that_unfolds_without_end_is_given_out_in_small_pieces() -> None:
    # 16 MiB of zeros in 16 KB.
    body = gzip.compress(b"\0" * 16 * 1024**2, 9)
    tracemalloc.start()
    try:
        sizes = [len(piece) for piece in read_pieces(reply(body, "gzip", piece_bytes=65_536))]
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (max(sizes), sum(sizes)) == (MAX_INFLATED_BYTES, 16 * 1024**2)
    assert peak_bytes < 2 * 1024**2


def test_what_follows_the_end_of_a_compressed_body_is_not_read() -> None:
    def talk() -> Iterator[bytes]:
        yield gzip.compress(b"{}")
        yield b"x"
        raise AssertionError("more was read")

    class Talk(Body):
        def __iter__(self) -> Iterator[bytes]:
            return talk()

    response = httpx.Response(200, headers={"content-encoding": "gzip"}, stream=Talk([]))
    assert b"".join(read_pieces(response)) == b"{}"


# JSON


@given(text=st.text(st.characters()))
@example(text="cut \ud83d")
@example(text="\ude00 begins")
@example(text="\ud83d\ud83d\ude00")
@example(text="\\ud83d")
@example(text="\\\ud83d")
def test_half_an_emoji_does_not_cost_what_stands_beside_it(text: str) -> None:
    mended = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert parse_json(json.dumps({"id": "a", "prompt": text}).encode()) == {"id": "a", "prompt": mended}


@pytest.mark.parametrize(
    ("content", "parsed"),
    [
        (b'\xef\xbb\xbf{"id": "a"}', {"id": "a"}),
        (b'{"id": "a", "prompt": "Fr\xfch"}', {"id": "a", "prompt": "Fr\ufffdh"}),
        (b'{"id": "a", "prompt": "\\ud83d\\u0041"}', {"id": "a", "prompt": "\ufffdA"}),
        (b'["a"]', ["a"]),
    ],
)
def test_json_is_read_as_servers_write_it(content: bytes, parsed: object) -> None:
    assert parse_json(content) == parsed


@pytest.mark.parametrize(
    "content",
    [b"", b'{"id": "a"', b"[" * 100_000, b"1" * 100_000, b'"\\u12"', b'{"id": "\\x"}'],
)
def test_what_is_no_json_is_a_value_error_and_no_fault(content: bytes) -> None:
    with pytest.raises(ValueError, match=" "):
        parse_json(content)


def test_json_that_was_cut_is_read_as_far_as_it_came() -> None:
    assert parse_json(b'{"id": "a", "prompt": "\\ud83d', allow_partial=True) == {"id": "a"}


@pytest.mark.parametrize("escape", [b"\\\\", b"\\ud83d", b"\\u", b"\xff"])
def test_mending_takes_time_in_proportion_to_the_length(escape: bytes) -> None:
    content = b'{"prompt": "\\ud83d ' + escape * (2 * 1024**2 // len(escape))
    began = time.process_time()
    with pytest.raises(ValueError, match=" "):
        parse_json(content)
    assert time.process_time() - began < 5 * SECONDS


# Sentences


@pytest.mark.parametrize(
    ("sentence", "cleaned"),
    [
        ("Refused.", "Refused."),
        ("Bad key sk-1.", "Bad key [key]."),
        ("See https://a.example/b?sig=1&c=2 and wait", "See https://a.example/b and wait"),
        ("See HTTPS://a.example?sig=1", "See HTTPS://a.example"),
        ("See https://a.example/b and c?d", "See https://a.example/b and c?d"),
        ("https://a.example/b?sig=https://c.example?d", "https://a.example/b"),
        ("https://? what", "https://? what"),
        ("x" * 5000, "x" * MAX_SENTENCE_LENGTH),
    ],
)
def test_a_sentence_is_kept_without_keys_and_signatures(sentence: str, cleaned: str) -> None:
    assert clean_sentence(sentence, "sk-1") == cleaned


def test_no_cut_leaves_a_part_of_the_key() -> None:
    key = "sk-" + "secret" * 20
    for length in range(MAX_SENTENCE_LENGTH - len(key), MAX_SENTENCE_LENGTH + 1):
        assert "sk-" not in clean_sentence("x" * length + key, key)
        assert "sk-" not in clean_sentence("https://a.example/?" + "x" * (4 * length) + key, key)


@pytest.mark.parametrize("part", ["http://", "http://x?", "https://a?b ", "?"])
def test_a_sentence_of_megabytes_is_shortened_at_once(part: str) -> None:
    sentence = part * (4 * 1024**2 // len(part))
    began = time.process_time()
    assert len(clean_sentence(sentence, "sk-1")) <= MAX_SENTENCE_LENGTH
    assert time.process_time() - began < SECONDS


# Waits


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("Sun, 22 Nov 2026 12:01:30 GMT", 90.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("inf", None),
        ("Sun, 22 Nov 99999999999 12:01:30 GMT", None),
        ("86401", MAX_RETRY_AFTER_SECONDS),
        ("1e308", MAX_RETRY_AFTER_SECONDS),
        ("Fri, 31 Dec 9999 23:59:59 -2359", MAX_RETRY_AFTER_SECONDS),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0.0),
        ("9" * 400, None),
        ("1, 2", None),
    ],
)
def test_a_wait_is_read_as_seconds_from_now_and_a_day_at_most(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, now=NOW) == seconds


def test_a_wait_may_be_counted_in_milliseconds() -> None:
    assert parse_retry_after("120000", now=NOW, unit_seconds=0.001) == 120.0


@given(value=st.text() | st.from_regex(r"(Mon, )?\d{1,3} \w{3} \d{1,6} \d{1,3}:\d{1,3}(:\d{1,3})? [-+]?\w{1,6}"))
def test_whatever_a_server_asks_for_is_a_wait_or_none(value: str) -> None:
    seconds = parse_retry_after(value, now=NOW)
    assert seconds is None or 0.0 <= seconds <= MAX_RETRY_AFTER_SECONDS

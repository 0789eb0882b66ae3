"""Which parts of a text are links to X; what is expected is twitter-text's (conformance/extract.yml, npm 3.1.0)."""

from __future__ import annotations

import time

import pytest

from mediaposter.publishing.links import find_links


def links_in(text: str) -> list[str]:
    return [text[link.start : link.end] for link in find_links(text)]


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("https://example.org/a?b=c#d, and on", ["https://example.org/a?b=c#d"]),
        ("example.co.jp and www.example.org/x", ["example.co.jp", "www.example.org/x"]),
        ("see main.py, movie.mov and end.Next", ["main.py", "movie.mov", "end.Next"]),
        ("3.5 e.g. U.S.A. end.The", []),
        ("me@example.org @example.org #example.org $example.org -example.org", []),
        ("https://example.nope https://localhost/x ftp://example.org", []),
        ("https://例え.jp/パス", ["https://例え.jp/"]),
        ("https://пример.рф/путь", ["https://пример.рф/путь"]),
        ("https://xn--r8jz45g.jp", ["https://xn--r8jz45g.jp"]),
        ("https://sub_domain.example.org", ["https://sub_domain.example.org"]),
        ("https://sub.exam_ple.org", []),
        ("https://-example.org https://example-.org", []),
        ("https://example.org:8080/x example.org:8080", ["https://example.org:8080/x", "example.org"]),
        ("https://example.org?x=1 example.org?x=1", ["https://example.org?x=1", "example.org"]),
        ("(https://example.org/a_(b(c)d)).", ["https://example.org/a_(b(c)d)"]),
        ("https://example.org/((a", ["https://example.org/"]),
        ("https://example.org/a.b.,!", ["https://example.org/a.b"]),
        ("https://t.co/Ab1/path", ["https://t.co/Ab1"]),
        ("https://t.co/" + "a" * 41, []),
        ("a" * 64 + ".com", []),
        ("https://" + "あ" * 64 + ".com", []),
        ("https://example.org/" + "x" * 4_076, ["https://example.org/" + "x" * 4_076]),
        ("https://example.org/" + "x" * 4_077, []),
    ],
)
def test_a_link_is_what_it_is_to_x(text: str, links: list[str]) -> None:
    assert links_in(text) == links


@pytest.mark.parametrize(
    "part",
    ["a.", "a.com/(", "a.com-.", "http://", "a_b.", "a.com/.,;", "あ.com", "(a", ".com"],
)
@pytest.mark.parametrize(("before", "after"), [("", ""), ("a.com/", ".com")])
def test_a_hostile_text_takes_time_in_proportion_to_its_length(part: str, before: str, after: str) -> None:
    began = time.process_time()

    find_links(before + part * (10_000 // len(part)) + after)

    assert time.process_time() - began < 3

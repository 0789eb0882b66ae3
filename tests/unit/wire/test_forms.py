"""Multipart forms: what bracketed names mean, and what can be read in two ways."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaposter.domain.errors import InvalidRequest
from mediaposter.wire.forms import BRACKETS_MAX, FIELDS_MAX, Form, FormValue, parse_form
from tests.unit.wire import sending
from tests.unit.wire.sending import refusal_or_none

BOUNDARY = b"a-boundary"


def write(*parts: tuple[str, str]) -> bytes:
    return write_parts(*((f'name="{name}"', text.encode()) for name, text in parts))


def write_parts(*parts: tuple[str, bytes]) -> bytes:
    return (
        b"".join(
            b"--%b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (BOUNDARY, disposition.encode(), content)
            for disposition, content in parts
        )
        + b"--%b--\r\n" % BOUNDARY
    )


def parse(body: bytes) -> Form:
    return parse_form(body, BOUNDARY, objects=("metadata", "options"), row_keys={"publish": "platform"})


def read(*parts: tuple[str, str]) -> dict[str, FormValue]:
    return parse(write(*parts)).fields


def refusal_of(*parts: tuple[str, str]) -> InvalidRequest:
    refusal = sending.refusal_of(read, *parts)
    assert refusal.param is not None
    assert refusal.message.startswith(f"{refusal.param}: ")
    return refusal


# Names


def test_plain_names_are_texts_and_keys_make_an_object() -> None:
    assert read(("prompt", "kite"), ("model", ""), ("a.b-c d", "ü🪁"), ("video[id]", "1"), ("video[of]", "x")) == {
        "prompt": "kite",
        "model": "",
        "a.b-c d": "ü🪁",
        "video": {"id": "1", "of": "x"},
    }


def test_numbers_make_a_list_in_their_order_and_empty_brackets_in_that_in_which_they_come() -> None:
    numbered = [(f"models[{number}]", str(number)) for number in reversed(range(12))]

    assert read(*numbered) == {"models": [str(number) for number in range(12)]}
    assert read(("models[]", "b"), ("prompt", "x"), ("models[]", "a"), ("models[]", "b"))["models"] == ["b", "a", "b"]


def test_lists_and_objects_lie_in_each_other() -> None:
    assert read(
        ("publish[1][platform]", "tiktok"),
        ("publish[0][platform]", "instagram"),
        ("publish[0][collaborators][]", "ada"),
        ("publish[0][collaborators][]", "bob"),
        ("publish[1][a][b][0][c]", "deep"),
    ) == {
        "publish": [
            {"platform": "instagram", "collaborators": ["ada", "bob"]},
            {"platform": "tiktok", "a": {"b": [{"c": "deep"}]}},
        ]
    }


def test_the_keys_of_an_object_may_be_numbers() -> None:
    assert read(("metadata[2026]", "x"), ("metadata[a]", "y")) == {"metadata": {"2026": "x", "a": "y"}}
    assert read(("options[0]", "x"), ("options[list][0]", "y")) == {"options": {"0": "x", "list": ["y"]}}


@pytest.mark.parametrize("name", ["", "[0]", "a[", "a]", "a[b]c", "a[b]]", "a[[b]]"])
def test_what_is_no_name_is_refused(name: str) -> None:
    refusal = refusal_of((name, "x"))

    assert (refusal.param, refusal.code) == (name, "invalid_field")


@pytest.mark.parametrize("key", ["__proto__", "constructor", "prototype"])
def test_a_key_that_leads_into_javascripts_objects_is_refused(key: str) -> None:
    for name in (f"metadata[{key}]", f"metadata[a][{key}]", f"metadata[{key}][a]"):
        assert refusal_of((name, "x")).param == name


def test_brackets_may_be_six_deep() -> None:
    deepest = "options" + "[a]" * BRACKETS_MAX

    assert read((deepest, "x")) == {"options": {"a": {"a": {"a": {"a": {"a": {"a": "x"}}}}}}}
    assert refusal_of((deepest + "[a]", "x")).param == deepest + "[a]"


def test_a_name_as_long_as_a_header_is_not_repeated_whole() -> None:
    refusal = refusal_of(("x[" * 2_000, "x"))

    assert refusal.param == "x[" * 40
    assert len(refusal.message) < 200


def test_characters_that_a_client_escapes_in_a_name_are_read_back() -> None:
    request = httpx.Request("POST", "https://api.example", files={'metadata[a "b"\r\n\\c]': (None, "x")})
    boundary = request.headers["content-type"].partition("boundary=")[2].encode()

    form = parse_form(request.read(), boundary, objects=("metadata",), row_keys={})

    assert form.fields == {"metadata": {'a "b"\r\n\\c': "x"}}


# What can be read in two ways


@pytest.mark.parametrize("name", ["prompt", "metadata[a]", "publish[0][platform]"])
def test_a_field_that_comes_twice_is_refused(name: str) -> None:
    refusal = refusal_of((name, "x"), ("other", "y"), (name, "x"))

    assert (refusal.param, refusal.code) == (name, "duplicate_field")


@pytest.mark.parametrize(
    ("names", "param"),
    [
        (("a", "a[b]"), "a"),
        (("a[]", "a[0]"), "a"),
        (("a[0]", "a[b]"), "a"),
        (("a[b]", "a[b][c]"), "a[b]"),
        (("a[b][]", "a[b][0]"), "a[b]"),
        (("publish[]", "publish[][platform]"), "publish[0]"),
        (("publish[0][platform]", "publish[][platform]"), "publish"),
    ],
)
def test_a_field_that_is_written_in_two_ways_is_refused(names: tuple[str, ...], param: str) -> None:
    refusal = refusal_of(*((name, "x") for name in names))

    assert (refusal.param, refusal.code) == (param, "mixed_field")


@pytest.mark.parametrize("numbers", [("1",), ("0", "2"), ("00",), ("0", "9" * 3_000)])
def test_a_list_with_a_gap_is_refused(numbers: tuple[str, ...]) -> None:
    refusal = refusal_of(*((f"publish[{number}]", "x") for number in numbers))

    assert (refusal.param, refusal.code) == ("publish", "invalid_field")


@pytest.mark.parametrize("name", ["options[a][][b]", "options[a][][]", "targets[][platform]"])
def test_objects_without_numbers_are_refused_where_nothing_tells_how_many_there_are(name: str) -> None:
    refusal = refusal_of((name, "x"))

    assert (refusal.param, refusal.code) == (name[: name.index("[]") + 2], "ambiguous_field")
    assert "as JSON text" in refusal.message


# Objects without numbers, as the SDK sends them


def test_one_object_without_a_number_has_all_that_comes() -> None:
    assert read(
        ("publish[][platform]", "instagram"),
        ("publish[][account_id]", "1"),
        ("publish[][collaborators][]", "ada"),
        ("publish[][collaborators][]", "bob"),
    ) == {"publish": [{"platform": "instagram", "account_id": "1", "collaborators": ["ada", "bob"]}]}


def test_objects_with_the_same_keys_are_told_apart_however_they_are_sorted() -> None:
    keys = ("platform", "account_id", "text")
    parts = [(f"publish[][{key}]", f"{key} {number}") for number in range(3) for key in keys]

    for sent in (parts, sorted(parts, key=lambda part: part[0])):
        assert read(*sent) == {"publish": [{key: f"{key} {number}" for key in keys} for number in range(3)]}


@pytest.mark.parametrize(
    "texts",
    [
        [("publish[][text]", "whose?")],
        [("publish[][text]", number) for number in "123"],
        [("publish[][collaborators][]", "whose?")],
        [("publish[][text][a]", "x"), ("publish[][text][a]", "y")],
        [("publish[]", "x"), ("publish[]", "y")],
    ],
)
def test_a_text_that_may_be_of_one_object_or_another_is_refused(texts: list[tuple[str, str]]) -> None:
    targets = [("publish[][platform]", "tiktok"), ("publish[][platform]", "twitter")]
    refusal = refusal_of(*targets, *texts)

    assert (refusal.param, refusal.code) == (texts[0][0], "ambiguous_field")
    assert "publish[0][platform]" in refusal.message


def test_without_the_key_that_each_has_there_is_one_object() -> None:
    assert read(("publish[][account_id]", "1")) == {"publish": [{"account_id": "1"}]}
    assert refusal_of(("publish[][account_id]", "1"), ("publish[][account_id]", "2")).code == "duplicate_field"


# Files


def test_a_file_is_kept_beside_the_fields() -> None:
    form = parse(write_parts(('name="video"; filename="a.mp4"', b"\0\r\n\xff"), ('name="video[id]"', b"video_1")))

    assert form == Form({"video": {"id": "video_1"}}, {"video": b"\0\r\n\xff"})


def test_a_file_larger_than_what_is_kept_in_memory_by_default_is_read_whole() -> None:
    content = bytes(range(256)) * 8_192

    assert parse(write_parts(('name="a"; filename="b"', content))).files == {"a": content}


def test_a_file_that_comes_twice_is_refused() -> None:
    file = ('name="video"; filename="a.mp4"', b"x")
    refusal = sending.refusal_of(parse, write_parts(file, file))

    assert (refusal.param, refusal.code) == ("video", "duplicate_field")


# What is malformed

PLAIN = write(("prompt", "kite"), ("publish[0][platform]", "twitter")).removesuffix(b"\r\n")


@pytest.mark.parametrize("end", [b"", b"\r\n", b"\r\nan epilogue"])
def test_what_comes_after_the_last_boundary_does_not_matter(end: bytes) -> None:
    assert parse(PLAIN + end).fields["prompt"] == "kite"


def test_a_form_that_ends_early_is_refused_wherever_it_ends() -> None:
    for size in range(len(PLAIN)):
        assert sending.refusal_of(parse, PLAIN[:size]).code == "invalid_multipart"


@pytest.mark.parametrize(
    "body",
    [
        *(b"\0" * 100, b"a preamble" + PLAIN, b"--a-boundary--\r\n", PLAIN.replace(b"a-boundary", b"another")),
        write_parts(("", b"x")),
        write_parts(("x\r\n" + "\r\n".join(f"X-{number}: y" for number in range(100)), b"x")),
        PLAIN.replace(b'"prompt"', b'"pr\xffompt"'),
    ],
    ids=["zeros", "preamble", "no part", "another boundary", "no name", "headers", "name not utf-8"],
)
def test_a_malformed_form_is_refused(body: bytes) -> None:
    assert sending.refusal_of(parse, body).code == "invalid_multipart"


def test_a_text_that_is_not_utf_8_is_refused_by_its_field() -> None:
    refusal = sending.refusal_of(parse, write_parts(('name="prompt"', b"\xff\xfe")))

    assert (refusal.param, refusal.code) == ("prompt", "invalid_multipart")
    assert refusal.message == (
        "prompt: is not UTF-8: byte 1 of it is 0xFF, as in Latin-1 or Windows-1252. Send the form as UTF-8."
    )


def test_a_boundary_longer_than_any_client_makes_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="malformed"):
        parse_form(b"", b"x" * 300, objects=(), row_keys={})


# How many


def test_a_form_may_have_a_thousand_fields_and_no_more() -> None:
    many = [(f'name="field{number}"', b"x") for number in range(FIELDS_MAX)]

    assert len(parse(write_parts(*many)).fields) == FIELDS_MAX
    for disposition in ('name="last"', 'name="last"; filename="x"'):
        refusal = sending.refusal_of(parse, write_parts(*many, (disposition, b"x")))
        assert (refusal.param, refusal.code) == ("last", "too_many_fields")


# Anything at all

KEYS = st.sampled_from(["", "0", "1", "2", "a", "platform", "text"])
NAMES = st.builds(
    lambda root, keys: root + "".join(f"[{key}]" for key in keys),
    st.sampled_from(["publish", "metadata", "options", "prompt"]),
    st.lists(KEYS, max_size=3),
)


@given(st.lists(st.tuples(NAMES | st.text(alphabet="ab[]0 "), st.just("x")), min_size=1, max_size=8))
def test_whatever_the_names_no_text_is_lost_or_invented(parts: list[tuple[str, str]]) -> None:
    try:
        fields = read(*parts)
    except InvalidRequest as refusal:
        assert refusal.param is not None  # noqa: PT017 (either is right)
    else:
        assert count_texts(fields) == len(parts)


def count_texts(value: FormValue) -> int:
    if isinstance(value, str):
        return 1
    return sum(map(count_texts, value.values() if isinstance(value, dict) else value))


VALUES = st.recursive(
    st.text(alphabet="xyz", max_size=3),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "platform"]), inner, min_size=1)
    ),
    max_leaves=8,
)


def number_names(name: str, value: FormValue) -> list[tuple[str, str]]:
    if isinstance(value, str):
        return [(name, value)]
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return [part for key, inner in items for part in number_names(f"{name}[{key}]", inner)]


@given(VALUES)
def test_what_is_written_with_numbers_is_read_as_it_was(value: FormValue) -> None:
    parts = number_names("publish", value)
    if all(name.count("[") <= BRACKETS_MAX for name, _ in parts):
        assert read(*parts) == {"publish": value}


CHUNKS = [
    *(b"--a-boundary", b"--", b"\r\n", b'Content-Disposition: form-data; name="a"', b'; filename="b"'),
    *(b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: quoted-printable"),
]


@given(st.lists(st.binary(max_size=20) | st.sampled_from(CHUNKS)).map(b"".join))
def test_whatever_the_bytes_they_are_a_form_or_refused(body: bytes) -> None:
    refusal_or_none(parse, body)

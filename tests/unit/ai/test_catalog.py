"""Which models exist, what fits them, and what a video costs."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mediaposter.ai.catalog import Catalog, CatalogEntry, built_in_catalog, parse_catalog, parse_size
from mediaposter.ai.video_model_factory import list_providers
from mediaposter.errors import InvalidRequest

TEXT = """
[models.kite-1]
provider = "kites"
durations_seconds = [4, 8]
sizes = ["720x1280", "1280x720", "1024x1792"]
price_usd_per_second = { "720" = "0.10", "1024" = "0.333333" }
expected_render_seconds = 90
capabilities = { remix = true }
retired = [{ host = "api.kites.example", on = 2026-09-24 }]
"""


def entry() -> CatalogEntry:
    return parse_catalog(TEXT).get("kite-1")


def test_a_model_is_found_by_its_name() -> None:
    assert (entry().name, entry().provider, entry().expected_render_seconds) == ("kite-1", "kites", 90)
    assert entry().capabilities.remix
    assert not entry().capabilities.extend


def test_a_model_is_found_by_its_dated_name() -> None:
    assert parse_catalog(TEXT).get("kite-1-2026-01-31") == entry()


@pytest.mark.parametrize(
    "name", ["kite-2", "", "KITE-1", "kite-1-2026-01", "2026-01-31", "kite-1-2026-01-31-x", "kite-1\n"]
)
def test_an_unknown_model_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(InvalidRequest, match=r"There is no model .* here\. There are: kite-1\.") as refusal:
        parse_catalog(TEXT).get(name)

    assert (refusal.value.param, refusal.value.code) == ("model", "model_not_found")


def test_a_name_as_long_as_a_body_is_not_repeated_whole() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse_catalog(TEXT).get("x" * 1_000_000)

    assert len(refusal.value.message) < 200


@pytest.mark.parametrize("seconds", [4, 8])
@pytest.mark.parametrize("size", ["720x1280", "1280x720", "1024x1792"])
def test_what_a_model_makes_is_let_through(seconds: int, size: str) -> None:
    entry().check(seconds=seconds, size=size)


@pytest.mark.parametrize("seconds", [0, 5, -4, 12, 10**100])
def test_another_length_is_refused_with_those_it_makes(seconds: int) -> None:
    with pytest.raises(InvalidRequest, match=r"kite-1 makes videos of 4, 8 seconds, not") as refusal:
        entry().check(seconds=seconds, size="720x1280")

    assert (refusal.value.param, refusal.value.code) == ("seconds", "invalid_value")


@pytest.mark.parametrize("size", ["1792x1024", "720X1280", "720", ""])
def test_another_size_is_refused_with_those_it_makes(size: str) -> None:
    with pytest.raises(InvalidRequest, match=r"kite-1 makes videos of 720x1280, 1280x720, 1024x1792, not") as refusal:
        entry().check(seconds=4, size=size)

    assert (refusal.value.param, refusal.value.code) == ("size", "invalid_value")


@pytest.mark.parametrize(
    ("seconds", "size", "micros"),
    [(4, "720x1280", 400_000), (8, "1280x720", 800_000), (4, "1024x1792", 1_333_332)],
)
def test_a_video_is_priced_by_its_length_and_shorter_side(seconds: int, size: str, micros: int) -> None:
    assert entry().estimate_cost_micros(seconds=seconds, size=size) == micros


def test_a_size_is_two_numbers_of_pixels() -> None:
    assert parse_size("1280x720") == (1280, 720)


@pytest.mark.parametrize(
    "change",
    [
        ('provider = "kites"', ""),
        ("durations_seconds = [4, 8]", "durations_seconds = []"),
        ('"720x1280", ', '"720 x 1280", '),
        ('"720x1280", ', '"0x1280", '),
        ("expected_render_seconds = 90", "expected_render_seconds = 0"),
        ("remix = true", "teleport = true"),
        ("[models.kite-1]", "[models.kite-1]\ncolour = 1"),
    ],
    ids=lambda change: change[1],
)
def test_a_catalog_with_a_mistake_is_not_read(change: tuple[str, str]) -> None:
    with pytest.raises(ValidationError):
        parse_catalog(TEXT.replace(*change))


ENTRIES = pytest.mark.parametrize("entry", built_in_catalog().models.values(), ids=lambda entry: entry.name)


@ENTRIES
def test_every_model_that_is_offered_has_a_provider_here(entry: CatalogEntry) -> None:
    assert entry.provider in list_providers()


@ENTRIES
def test_every_size_that_is_offered_has_a_price(entry: CatalogEntry) -> None:
    for size in entry.sizes:
        assert entry.estimate_cost_micros(seconds=entry.durations_seconds[0], size=size) > 0


@ENTRIES
def test_every_price_is_whole_micro_dollars(entry: CatalogEntry) -> None:
    for price in entry.price_usd_per_second.values():
        assert (price * 1_000_000) % 1 == 0


def test_the_built_in_catalog_is_read_once() -> None:
    catalog: Catalog = built_in_catalog()

    assert catalog is built_in_catalog()
    assert "sora-2" in catalog.models

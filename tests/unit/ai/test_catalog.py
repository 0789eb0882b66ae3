"""Which models exist, what fits them, what a video costs, and what became of the models that are gone."""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaposter.ai.catalog import (
    ALIAS_SIZES,
    Catalog,
    CatalogEntry,
    ImageRole,
    Shape,
    built_in_catalog,
    built_in_catalog_text,
    parse_catalog,
    parse_size,
)
from mediaposter.ai.video_model_factory import list_providers
from mediaposter.domain.errors import ConfigurationError, InvalidRequest

TODAY = date(2026, 11, 22)

TEXT = """
[aliases]
paper = "kite-1"

[models.kite-1]
provider = "kites"
durations_seconds = [4, 8]
sizes = ["720x1280", "1280x720", "1024x1792"]
price_usd_per_second = { "720" = "0.10", "1024" = "0.333333" }
expected_render_seconds = 90
capabilities = { remix = true, image_roles = ["first_frame"] }

[models.kite-2]
provider = "kites"
provider_model = "maker/kite@2"
durations_seconds = { min = 3, max = 15 }
aspect_ratios = ["16:9", "9:16", "1:1", "21:9"]
resolutions = { 480p = 480, HD = 720 }
price_usd_per_second = { "480" = "0.04", "720" = "0.08" }
expected_render_seconds = 60
retires_on = 2026-12-01
replaced_by = "kite-1"

[gone]
kite-0 = { retired_on = 2025-01-31, replaced_by = "kite-1" }
kite-00 = { retired_on = 2024-01-31 }
"""


def catalog() -> Catalog:
    return parse_catalog(TEXT)


def entry(name: str = "kite-1") -> CatalogEntry:
    return catalog().get(name)


def refusal(text: str, *, extending: str | None = None) -> str:
    with pytest.raises(ConfigurationError) as raised:
        parse_catalog(text, extending=extending)
    return str(raised.value)


# A row


def test_a_model_goes_by_its_own_name_at_its_provider_unless_its_row_says_another() -> None:
    assert (entry("kite-1").provider_model, entry("kite-2").provider_model) == ("kite-1", "maker/kite@2")


def test_a_range_of_lengths_is_every_whole_second_of_it() -> None:
    assert entry("kite-2").durations_seconds == tuple(range(3, 16))


def test_sizes_are_every_shape_at_every_resolution_with_an_even_longer_side() -> None:
    assert entry("kite-2").sizes == (
        "854x480",
        "480x854",
        "480x480",
        "1120x480",
        "1280x720",
        "720x1280",
        "720x720",
        "1680x720",
    )


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ("720x1280", Shape("9:16", "HD")),
        ("1120x480", Shape("21:9", "480p")),
    ],
)
def test_a_size_is_said_as_a_shape_and_the_vendors_word_for_its_resolution(size: str, shape: Shape) -> None:
    assert entry("kite-2").find_shape(size) == shape


def test_a_size_that_a_model_does_not_make_has_no_shape() -> None:
    with pytest.raises(InvalidRequest, match=r"kite-2 makes videos of 854x480, .* not 1920x1080") as raised:
        entry("kite-2").find_shape("1920x1080")
    assert (raised.value.param, raised.value.code) == ("size", "invalid_value")


@pytest.mark.parametrize(("roles", "takes_one"), [('["first_frame"]', True), ('["last_frame"]', False)])
def test_a_video_can_begin_with_a_picture_where_that_is_a_role(roles: str, takes_one: bool) -> None:
    row = parse_catalog(TEXT.replace('["first_frame"]', roles)).get("kite-1")
    assert row.capabilities.image_input == takes_one


# What it makes, and what that costs


@pytest.mark.parametrize("seconds", [0, 5, 10**100])
def test_another_length_is_refused_with_those_it_makes(seconds: int) -> None:
    with pytest.raises(InvalidRequest, match=r"kite-1 makes videos of 4, 8 seconds, not") as raised:
        entry().check(seconds=seconds, size="720x1280")
    assert (raised.value.param, raised.value.code) == ("seconds", "invalid_value")


@pytest.mark.parametrize(
    ("lengths", "told"),
    [("[4, 5, 6]", "4, 5, 6"), ("[4, 5, 6, 7]", "4 to 7"), ("[5, 10, 15, 20]", "5, 10, 15, 20")],
)
def test_lengths_are_told_one_by_one_unless_they_are_a_long_row(lengths: str, told: str) -> None:
    row = parse_catalog(TEXT.replace("[4, 8]", lengths)).get("kite-1")
    with pytest.raises(InvalidRequest, match=f"kite-1 makes videos of {told} seconds, not 3"):
        row.check(seconds=3, size="720x1280")


@pytest.mark.parametrize("size", ["1792x1024", ""])
def test_another_size_is_refused_with_those_it_makes(size: str) -> None:
    with pytest.raises(InvalidRequest, match=r"kite-1 makes videos of 720x1280, 1280x720, 1024x1792, not") as raised:
        entry().check(seconds=4, size=size)
    assert (raised.value.param, raised.value.code) == ("size", "invalid_value")


@pytest.mark.parametrize(
    ("seconds", "size", "micros"),
    [(4, "720x1280", 400_000), (8, "1280x720", 800_000), (4, "1024x1792", 1_333_332)],
)
def test_a_video_is_priced_by_its_length_and_shorter_side(seconds: int, size: str, micros: int) -> None:
    assert entry().estimate_cost_micros(seconds=seconds, size=size) == micros


# How far a video is extended


EXTENDING = TEXT.replace("[gone]", "[models.kite-2.capabilities]\nextend = true\n[gone]").replace(
    "durations_seconds = { min = 3, max = 15 }",
    "durations_seconds = { min = 3, max = 15 }\nextension_seconds = [3, 6, 9]\nextended_seconds_max = 20",
)


def test_an_extension_adds_what_a_row_renders_unless_it_says_what_else() -> None:
    extending = parse_catalog(EXTENDING)
    assert extending.get("kite-1").extension_seconds == (4, 8)
    assert extending.get("kite-2").extension_seconds == (3, 6, 9)


@pytest.mark.parametrize(("source_seconds", "offered"), [(11, [3, 6, 9]), (12, [3, 6]), (14, [3, 6]), (17, [3])])
def test_a_video_is_extended_as_far_as_its_model_makes_one(source_seconds: int, offered: list[int]) -> None:
    row = parse_catalog(EXTENDING).get("kite-2")
    for seconds in range(1, 12):
        with suppress(InvalidRequest):
            row.check_extension(seconds=seconds, source_seconds=source_seconds)
            offered.remove(seconds)
    assert offered == []
    assert row.fit_extension(seconds=60, source_seconds=source_seconds).warnings != ()


def test_a_video_as_long_as_its_model_makes_one_is_not_extended() -> None:
    row = parse_catalog(EXTENDING).get("kite-2")
    for extend in (row.check_extension, row.fit_extension):
        with pytest.raises(InvalidRequest, match="kite-2 adds at least 3, and makes no video longer than 20") as no:
            extend(seconds=3, source_seconds=18)
        assert no.value.param == "video"


# What comes nearest


@pytest.mark.parametrize(
    ("asked", "made"),
    [(7, 8), (6, 4), (-3, 4), (10**100, 8)],
)
def test_a_length_moves_to_the_nearest_and_of_two_to_the_shorter(asked: int, made: int) -> None:
    fitted = entry().fit(seconds=asked, size="720x1280")
    assert (fitted.seconds, fitted.size) == (made, "720x1280")
    assert fitted.warnings == (f"seconds: kite-1 makes no video of {asked} seconds; it becomes {made}.",)


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        # The shape comes first, then the number of pixels.
        ("1920x1080", "1280x720"),
        ("640x360", "854x480"),
        ("2560x1080", "1680x720"),
        ("1024x1792", "720x1280"),
        # 854 is 853 1/3 made even: no less 16:9 than 1280 is.
        ("960x540", "854x480"),
    ],
)
def test_a_size_moves_to_the_most_similar_shape_and_then_to_the_most_similar_number_of_pixels(
    asked: str, made: str
) -> None:
    fitted = entry("kite-2").fit(seconds=4, size=asked)
    assert (fitted.seconds, fitted.size) == (4, made)
    assert fitted.warnings == (f"size: kite-2 makes no video of {asked}; it becomes {made}.",)


@pytest.mark.parametrize("size", ["", "720X1280", "0x720", "1280x720\n", "123456x720"])
def test_what_is_no_size_fits_nothing(size: str) -> None:
    with pytest.raises(InvalidRequest, match="is not a size; write it as 1280x720") as raised:
        entry().fit(seconds=4, size=size)
    assert (raised.value.param, raised.value.code) == ("size", "invalid_value")


ENTRIES = st.sampled_from([*catalog().models.values(), *built_in_catalog().models.values()])
SIDES = st.integers(10, 9999)


@given(row=ENTRIES, seconds=st.integers(), width=SIDES, height=SIDES)
def test_what_was_made_to_fit_is_accepted_and_says_what_changed(
    row: CatalogEntry, seconds: int, width: int, height: int
) -> None:
    size = f"{width}x{height}"
    fitted = row.fit(seconds=seconds, size=size)
    row.check(seconds=fitted.seconds, size=fitted.size)
    changed = [fitted.seconds != seconds, fitted.size != size]
    assert [warning.split(":")[0] for warning in fitted.warnings] == [
        field for field, is_changed in zip(("seconds", "size"), changed, strict=True) if is_changed
    ]


@given(row=ENTRIES, data=st.data())
def test_what_fits_stays_as_it_is(row: CatalogEntry, data: st.DataObject) -> None:
    seconds = data.draw(st.sampled_from(row.durations_seconds))
    size = data.draw(st.sampled_from(row.sizes))
    assert row.fit(seconds=seconds, size=size) == (seconds, size, ())


@given(row=ENTRIES, seconds=st.integers(-100, 100), width=SIDES, height=SIDES)
def test_nothing_a_model_makes_is_nearer(row: CatalogEntry, seconds: int, width: int, height: int) -> None:
    fitted = row.fit(seconds=seconds, size=f"{width}x{height}")
    assert abs(fitted.seconds - seconds) == min(abs(offered - seconds) for offered in row.durations_seconds)

    def stretch(size: str) -> float:
        offered_width, offered_height = parse_size(size)
        return abs(math.log(offered_width / offered_height) - math.log(width / height))

    assert stretch(fitted.size) <= min(map(stretch, row.sizes)) + 0.01


# Names


@pytest.mark.parametrize(
    ("name", "found", "is_alias"),
    [
        ("kite-1-2026-01-31", "kite-1", False),
        ("paper-2026-01-31", "kite-1", True),
    ],
)
def test_a_name_leads_to_its_model_with_and_without_a_date(name: str, found: str, is_alias: bool) -> None:
    assert catalog().resolve(name, today=TODAY) == (entry(found), is_alias)
    assert catalog().is_alias(name) == is_alias


@pytest.mark.parametrize("name", ["kite-3", "KITE-1", "kite-1-2026-01", "kite-1-2026-01-31-x", "kite-1\n", "paper\n"])
def test_an_unknown_model_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(InvalidRequest, match=r"There is no model .* here\. There are: kite-1, kite-2, paper\.") as no:
        catalog().resolve(name, today=TODAY)
    assert (no.value.param, no.value.code) == ("model", "model_not_found")


def test_a_name_that_ends_in_a_date_itself_is_found() -> None:
    text = TEXT.replace("[models.kite-1]", "[models.kite-2026-01-31]").replace(
        'paper = "kite-1"', 'paper-2026-01-31 = "kite-2"'
    )
    dated = parse_catalog(text)
    assert dated.resolve("kite-2026-01-31", today=TODAY).entry.name == "kite-2026-01-31"
    assert dated.resolve("paper-2026-01-31", today=TODAY).entry.name == "kite-2"


def test_an_alias_comes_before_a_model_of_its_name() -> None:
    text = TEXT.replace('paper = "kite-1"', 'kite-2 = "kite-1"')
    assert parse_catalog(text).resolve("kite-2", today=TODAY) == (entry("kite-1"), True)
    assert parse_catalog(text).get("kite-2") == entry("kite-2")


def test_a_name_as_long_as_a_body_is_not_repeated_whole() -> None:
    with pytest.raises(InvalidRequest) as raised:
        catalog().resolve("x" * 1_000_000, today=TODAY)
    assert len(raised.value.message) < 200


def test_a_models_aliases_may_be_given_beside_the_catalog() -> None:
    led = catalog().with_aliases({"paper": "kite-2", "silk": "kite-1"})
    assert led.resolve("paper", today=TODAY) == (entry("kite-2"), True)
    assert led.resolve("silk", today=TODAY) == (entry("kite-1"), True)
    assert catalog().aliases == {"paper": "kite-1"}


def test_an_alias_given_beside_the_catalog_leads_to_a_model_or_is_refused() -> None:
    with pytest.raises(
        ConfigurationError, match=r"The alias silk leads to paper, which is no model here\. There are: kite-1, kite-2\."
    ):
        catalog().with_aliases({"silk": "paper"})


def test_an_alias_takes_what_openais_names_took_and_its_model_what_it_makes() -> None:
    alias, outright = (catalog().resolve(name, today=TODAY) for name in ("paper", "kite-1"))
    for seconds in range(-1, 30):
        for size in ("720x1280", "1920x1080", "13x17", "1024x1024"):
            for asked, name, takes in (
                (alias, "paper", 2 <= seconds <= 20 and size in ALIAS_SIZES),
                (outright, "kite-1", seconds in (4, 8) and size == "720x1280"),
            ):
                try:
                    asked.check(name, seconds=seconds, size=size)
                except InvalidRequest:
                    assert not takes, (name, seconds, size)
                else:
                    assert takes, (name, seconds, size)


def test_what_an_alias_does_not_take_is_refused_by_the_name_that_was_asked_for() -> None:
    with pytest.raises(InvalidRequest, match=r"^paper-2026-01-31 takes 2 to 20 seconds, not 7000\.$") as seconds:
        catalog().resolve("paper-2026-01-31", today=TODAY).check("paper-2026-01-31", seconds=7000, size="720x1280")
    with pytest.raises(InvalidRequest, match=r"^paper takes the sizes 720x1280, .*, not 13x17\.") as size:
        catalog().resolve("paper", today=TODAY).check("paper", seconds=4, size="13x17")
    assert (seconds.value.param, size.value.param) == ("seconds", "size")


# Retirement


@pytest.mark.parametrize("name", ["kite-2", "kite-2-2026-01-31", "silk"])
def test_a_model_is_there_until_its_vendor_switches_it_off_and_then_refused_with_what_replaces_it(name: str) -> None:
    led = catalog().with_aliases({"silk": "kite-2"})
    assert led.resolve(name, today=date(2026, 11, 30)).entry.name == "kite-2"
    with pytest.raises(InvalidRequest, match=r"^kite-2 was retired on 2026-12-01\. Ask for kite-1 instead\.$") as no:
        led.resolve(name, today=date(2026, 12, 1))
    assert (no.value.param, no.value.code) == ("model", "model_not_found")
    # A video that was made of it still finds its row.
    assert led.get("kite-2").is_retired(date(2026, 12, 1))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("kite-0", r"^kite-0 was retired on 2025-01-31\. Ask for kite-1 instead\.$"),
        ("kite-0-2024-05-05", r"^kite-0 was retired on 2025-01-31\. Ask for kite-1 instead\.$"),
        ("kite-00", r"^kite-00 was retired on 2024-01-31\.$"),
    ],
)
def test_a_model_that_is_gone_is_refused_with_what_replaces_it(name: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence) as raised:
        catalog().resolve(name, today=TODAY)
    assert (raised.value.param, raised.value.code) == ("model", "model_not_found")


@pytest.mark.parametrize(
    ("name", "today", "is_living"),
    [
        ("paper", TODAY, True),
        ("kite-2", date(2026, 12, 1), False),
        ("kite-0", TODAY, False),
        ("kite-3", TODAY, False),
    ],
)
def test_a_name_is_told_from_one_that_leads_to_nothing_living(name: str, today: date, is_living: bool) -> None:
    assert catalog().has_living(name, today=today) == is_living


# Those that can make a video


def list_names(
    *, seconds: int = 4, size: str = "1280x720", today: date = TODAY, roles: frozenset[ImageRole] = frozenset()
) -> list[str]:
    fitting = catalog().list_fitting(seconds=seconds, size=size, today=today, image_roles=roles)
    return [row.name for row in fitting]


def test_the_models_that_can_make_a_video_are_listed_the_cheapest_first() -> None:
    assert list_names() == ["kite-2", "kite-1"]
    assert list_names(seconds=5) == ["kite-2"]
    assert list_names(size="1024x1792") == ["kite-1"]
    assert list_names(roles=frozenset({ImageRole.FIRST_FRAME})) == ["kite-1"]
    assert list_names(roles=frozenset({ImageRole.FIRST_FRAME, ImageRole.LAST_FRAME})) == []
    assert list_names(today=date(2026, 12, 1)) == ["kite-1"]


# A stack's own text over the built-in one


def test_a_row_of_a_stacks_own_is_added() -> None:
    text = """
[models.silk-1]
provider = "sora"
durations_seconds = [5]
sizes = ["854x480"]
price_usd_per_second = { "480" = "0" }
expected_render_seconds = 300
"""
    extended = parse_catalog(text, extending=TEXT)
    assert set(extended.models) == {"kite-1", "kite-2", "silk-1"}
    assert extended.get("silk-1").estimate_cost_micros(seconds=5, size="854x480") == 0
    assert (extended.get("kite-1"), extended.aliases, extended.gone) == (entry(), catalog().aliases, catalog().gone)


def test_one_field_of_a_row_is_overridden_and_the_rest_stays() -> None:
    extended = parse_catalog("[models.kite-1]\nexpected_render_seconds = 5", extending=TEXT)
    assert extended.get("kite-1") == entry().model_copy(update={"expected_render_seconds": 5})
    assert extended.get("kite-2") == entry("kite-2")


def test_a_stack_lets_callers_set_what_a_row_does_not_list() -> None:
    text = '[models.kite-1.options]\nsteps = { type = "integer", min = 1, max = 50 }'
    extended = parse_catalog(text, extending=TEXT)
    assert extended.get("kite-1").check_options({"steps": "20"}) == {"steps": 20}
    with pytest.raises(InvalidRequest, match="kite-1 takes no such option; it takes none"):
        entry().check_options({"steps": 20})


def test_an_extension_leaves_the_built_in_catalog_as_it_was() -> None:
    before = built_in_catalog()
    parse_catalog("[models.sora-2]\nexpected_render_seconds = 1", extending=built_in_catalog_text())
    assert parse_catalog(built_in_catalog_text()) == before


# A text with a mistake


SIZES = 'sizes = ["720x1280", "1280x720", "1024x1792"]'


@pytest.mark.parametrize(
    ("place", "old", "new"),
    [
        ("models.kite-1.durations_seconds", "[4, 8]", "[]"),
        ("models.kite-1.durations_seconds", "[4, 8]", "{ min = 8, max = 4 }"),
        ("models.kite-1.sizes", SIZES, ""),
        ("models.kite-1.sizes.0", '"720x1280", ', '"720 x 1280", '),
        ("models.kite-2.aspect_ratios.0", '"16:9", ', '"16:0", '),
        ("models.kite-2.sizes", "resolutions = { 480p = 480, HD = 720 }", ""),
        ("models.kite-1.price_usd_per_second.720", '"0.10"', '"ten cents"'),
        ("models.kite-1.capabilities.teleport", "remix = true", "teleport = true"),
        ("modles", "[models.kite-1]", "[modles.kite-1]"),
    ],
)
def test_a_mistake_is_named_by_its_row_and_field(place: str, old: str, new: str) -> None:
    assert TEXT.count(old) == 1
    assert refusal(TEXT.replace(old, new)).startswith(f"The catalog is wrong at {place}: ")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            '"720" = "0.10", ',
            "",
            "The catalog is wrong at models.kite-1: 720x1280 has no price: price_usd_per_second names no 720.",
        ),
        (
            '"0.10"',
            '"0.0000001"',
            "The catalog is wrong at models.kite-1: a price of 1E-7 is not a whole number of micro-dollars.",
        ),
        (
            '"0.10"',
            '"-1"',
            "The catalog is wrong at models.kite-1: a price of -1 is not a whole number of micro-dollars.",
        ),
        (
            'paper = "kite-1"',
            'paper = "kite-9"',
            "The catalog is wrong at the catalog: the alias paper leads to kite-9, which is no model here.",
        ),
        ("[gone]", "[[gone]]", "The catalog is wrong at gone: it must be a table."),
    ],
    ids=lambda value: value[:30],
)
def test_a_row_that_contradicts_itself_is_not_read(old: str, new: str, sentence: str) -> None:
    assert refusal(TEXT.replace(old, new)) == sentence


def test_a_text_that_is_no_toml_is_refused_with_its_line() -> None:
    sentence = refusal("\nmodels = =")
    assert sentence.startswith("The catalog is not TOML: ")
    assert "line 2" in sentence


@pytest.mark.parametrize(
    ("text", "place"),
    [("models = 3", "models"), ("[models]\nkite-1 = 3", "models.kite-1"), ("aliases = []", "aliases")],
)
def test_a_table_that_is_none_is_refused(text: str, place: str) -> None:
    sentence = f"The catalog is wrong at {place}: it must be a table."
    assert (refusal(text), refusal(text, extending=TEXT)) == (sentence, sentence)


def test_a_mistake_in_an_extension_is_named_by_its_row() -> None:
    assert refusal("[models.kite-1]\ndurations_seconds = []", extending=TEXT).startswith(
        "The catalog is wrong at models.kite-1.durations_seconds: "
    )
    assert refusal('[models.silk-1]\nprovider = "sora"', extending=TEXT).startswith(
        "The catalog is wrong at models.silk-1.durations_seconds: is required"
    )


TOML_VALUES = st.sampled_from(
    [
        *("7", "0", "-1", "2.5", "true", "nan", "2026-01-31", "09:30:00", '""', '"a"', '"16:9"', '"720"'),
        *("[]", "[7]", '["16:9"]', "[[]]", "{}", "{ a = 720 }", '{ a = "b" }', '{ "720" = "1e999" }'),
        "{ min = 1, max = 2 }",
    ]
)


@given(
    field=st.sampled_from([*CatalogEntry.model_fields, "capabilities.audio", "fields.text_to_video", "colour"]),
    value=TOML_VALUES,
)
def test_whatever_a_field_is_set_to_the_catalog_is_read_or_refused_with_a_sentence(field: str, value: str) -> None:
    try:
        parse_catalog(f"[models.kite-2]\n{field} = {value}", extending=TEXT)
    except ConfigurationError as error:
        sentence = str(error)
    else:
        return
    assert sentence.startswith("The catalog is wrong at models.kite-2")


# The catalog that is shipped


@pytest.mark.parametrize("entry", built_in_catalog().models.values(), ids=lambda entry: entry.name)
def test_every_row_that_is_shipped_can_be_asked_for_and_paid(entry: CatalogEntry) -> None:
    assert entry.provider in list_providers()
    for size in entry.sizes:
        micros = entry.price_usd_per_second[str(min(parse_size(size)))] * 1_000_000
        assert entry.estimate_cost_micros(seconds=1, size=size) == micros > 0
        assert not entry.aspect_ratios or entry.find_shape(size).resolution in entry.resolutions
    assert set(entry.price_usd_per_second) == {str(min(parse_size(size))) for size in entry.sizes}
    assert list(entry.durations_seconds) == sorted(set(entry.durations_seconds))
    assert len(set(entry.sizes)) == len(entry.sizes)
    assert not entry.capabilities.extend or entry.extended_seconds_max is not None
    assert entry.replaced_by is None or entry.replaced_by in built_in_catalog().models
    # One more is a decision: it must not change the price, the length, the size or the number of videos, name an
    # address or a file, ask for a callback, keep what is made elsewhere, loosen moderation, or reach into another job.
    harmless = {"seed", "negative_prompt", "guidance_scale", "cfg_scale", "enable_prompt_expansion", "loop"}
    assert set(entry.options) <= harmless


@pytest.mark.parametrize(
    ("name", "size", "seconds", "micros"),
    [
        ("seedance-2.0", "480x854", 4, 540_000),
        ("kling-3.0-pro", "1080x1080", 5, 840_000),
        ("minimax-h3", "2560x1440", 15, 1_950_000),
        ("pika-2.2", "1920x1080", 10, 900_000),
        ("gemini-omni-1.2-flash", "640x360", 1, 23_000),
    ],
)
def test_a_video_costs_what_its_vendors_page_says(name: str, size: str, seconds: int, micros: int) -> None:
    assert built_in_catalog().get(name).estimate_cost_micros(seconds=seconds, size=size) == micros


def test_what_is_gone_is_not_offered_and_leads_to_what_is() -> None:
    shipped = built_in_catalog()
    assert not set(shipped.gone) & {*shipped.models, *shipped.aliases}
    assert {gone.replaced_by for gone in shipped.gone.values()} - {None} <= set(shipped.models)


@pytest.mark.parametrize("name", ["sora-2", "sora-2-pro", "sora-2-2025-12-08", "sora-2-pro-2025-10-06"])
def test_the_names_of_openais_models_lead_to_a_living_one(name: str) -> None:
    assert built_in_catalog().resolve(name, today=TODAY).is_alias

"""Rate slots within a limit: no minute holds more, and no call is refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaposter.domain.errors import RateExceeded
from mediaposter.stores.budget import count_call
from mediaposter.stores.rate import RateStore, UploadCountStore, UploadLimits, count_rows_per_minute
from tests.builders import NOW
from tests.fakes.table import InMemoryTable

MINUTE = timedelta(seconds=60)


def take(book: RateStore, per_minute: int, at: datetime) -> datetime:
    return book.take("posts", per_minute=per_minute, now=at)


def count_fullest_minute(places: list[datetime]) -> int:
    """Count the places in the sixty seconds that hold most, wherever they begin."""
    ordered = sorted(places)
    return max(sum(first <= place < first + MINUTE for place in ordered) for first in ordered)


# Who comes when: gaps that are nothing, some, or a pause, and clocks that differ by a little.
GAPS_SECONDS = st.one_of(
    st.just(0.0), st.floats(0, 3, allow_nan=False), st.floats(0, 200, allow_nan=False), st.floats(-2, 0)
)


@given(per_minute=st.integers(1, 120), gaps_seconds=st.lists(GAPS_SECONDS, min_size=1, max_size=150))
def test_no_minute_holds_more_places_than_the_limit_however_they_are_taken(
    per_minute: int, gaps_seconds: list[float]
) -> None:
    book = RateStore(InMemoryTable())
    now = NOW
    places = []
    for gap_seconds in gaps_seconds:
        now += timedelta(seconds=gap_seconds)
        place = take(book, per_minute, now)
        assert place >= now, "a place in the past"
        places.append(place)

    assert count_fullest_minute(places) <= per_minute


def test_a_thousand_that_come_at_once_get_a_place_each_evenly_spaced() -> None:
    book = RateStore(InMemoryTable())

    places = [take(book, 30, NOW) for _ in range(1_000)]

    assert places == sorted(places)
    at_once = [place for place in places if place == NOW]
    later = places[len(at_once) :]
    assert len(at_once) == 7, "a quarter of the limit"
    assert len(set(later)) == len(later)
    gaps = [(after - before).total_seconds() for before, after in pairwise(later)]
    assert gaps == pytest.approx([60 / 23] * len(gaps), abs=1e-5)
    assert count_fullest_minute(places) == 30 - 1
    assert later[-1] - NOW < timedelta(minutes=1_000 / 23 + 1)


@pytest.mark.parametrize(("per_minute", "burst"), [(1, 1), (10, 2), (30, 7)])
def test_after_a_pause_a_quarter_of_a_minute_s_places_comes_at_once(per_minute: int, burst: int) -> None:
    book = RateStore(InMemoryTable())
    for _ in range(per_minute):
        take(book, per_minute, NOW)
    later = NOW + timedelta(minutes=5)

    places = [take(book, per_minute, later) for _ in range(burst + 1)]

    assert places[:burst] == [later] * burst
    assert places[burst] > later


def test_without_a_pause_there_is_no_second_burst() -> None:
    book = RateStore(InMemoryTable())
    for _ in range(7):
        take(book, 30, NOW)

    assert take(book, 30, NOW + timedelta(seconds=2)) > NOW + timedelta(seconds=2)


def test_each_thing_that_is_limited_has_places_of_its_own() -> None:
    book = RateStore(InMemoryTable())
    for _ in range(10):
        take(book, 1, NOW)

    assert book.take("uploads", per_minute=1, now=NOW) == NOW


# Rows of batches


@given(rate_per_minute=st.integers(1, 10_000))
def test_rows_have_most_of_a_minute_and_never_all_of_it(rate_per_minute: int) -> None:
    rows = count_rows_per_minute(rate_per_minute)

    assert 1 <= rows <= rate_per_minute
    assert rows < rate_per_minute or rate_per_minute == 1, "single requests would find no room"
    assert rows >= rate_per_minute // 2


# Uploads


def an_upload_book(*, count: int = 2, size_bytes: int = 100) -> UploadCountStore:
    return UploadCountStore(InMemoryTable(), UploadLimits(count, size_bytes))


def test_an_owner_opens_so_many_uploads_a_day_and_no_more() -> None:
    book = an_upload_book(count=2)
    for _ in range(2):
        book.count("studio", 10, now=NOW)

    with pytest.raises(RateExceeded, match=r"2 uploads a day.*Nothing was opened.*2026-12-02T00:00:00Z") as caught:
        book.count("studio", 10, now=NOW)

    assert caught.value.retry.after_seconds == 12 * 60 * 60
    book.count("another", 10, now=NOW)
    book.count("studio", 10, now=NOW + timedelta(hours=12))


def test_an_owner_opens_so_many_bytes_a_day_and_no_more() -> None:
    book = an_upload_book(count=10, size_bytes=100)
    book.count("studio", 60, now=NOW)

    with pytest.raises(
        RateExceeded, match="of 100 bytes together, and an upload of 41 bytes more would exceed that today"
    ):
        book.count("studio", 41, now=NOW)

    book.count("studio", 40, now=NOW)


def test_uploads_do_not_count_among_the_creates_of_an_owner() -> None:
    table = InMemoryTable()
    UploadCountStore(table, UploadLimits(2, 100)).count("studio", 10, now=NOW)

    table.commit([count_call("studio", NOW, per_minute=1)])

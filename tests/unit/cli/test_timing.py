"""When a series has its turns: a person's words become Scheduler's expressions, or are refused in a sentence."""

from __future__ import annotations

import pytest

from mediaposter.cli.timing import Timing, check_timezone, read_at, read_cron, read_rate


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("daily 09:00", "cron(0 9 * * ? *)"),
        ("weekdays 09:00", "cron(0 9 ? * MON-FRI *)"),
        ("mon,wed,fri 18:30", "cron(30 18 ? * MON,WED,FRI *)"),
        ("monthly 1 09:00", "cron(0 9 1 * ? *)"),
        ("monthly last 09:00", "cron(0 9 L * ? *)"),
        ("  Weekdays   09:00 ", "cron(0 9 ? * MON-FRI *)"),
    ],
)
def test_words_become_an_expression(text: str, expression: str) -> None:
    assert read_at(text) == Timing(" ".join(text.lower().split()), expression)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "it is said as 'daily 09:00', 'weekdays 09:00', 'mon,wed,fri 18:30', 'monthly 1 09:00'"),
        ("daily", "it is said as"),
        ("daily 9:00", "'9:00' is no time from 00:00 to 23:59"),
        ("daily 24:00", "is no time"),
        ("daily \u0660\u0669:\u0660\u0660", "is no time"),
        ("weekend 09:00", "'weekend' names no days"),
        ("mon,,wed 09:00", "names no days"),
        ("mon,wed,mon 09:00", "'mon,wed,mon' names a day twice"),
        ("monthly 0 09:00", "a day of every month is 1 to 28, or last"),
        ("monthly 29 09:00", "1 to 28, or last"),
        ("weekly 1 09:00", "it is said as"),
    ],
)
def test_words_that_say_no_time_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_at(text)


@pytest.mark.parametrize("text", ["cron(0 9 ? * MON-FRI *)", "0 9 ? * MON-FRI *", " cron( 0  9 ? * MON-FRI * ) "])
def test_an_expression_of_schedulers_is_taken_with_its_word_or_without(text: str) -> None:
    assert read_cron(text) == Timing("cron(0 9 ? * MON-FRI *)", "cron(0 9 ? * MON-FRI *)")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0 9 * * 1-5", "it has six fields"),
        ("cron(0 9 ? * MON *", "it has six fields"),
        (f"0 9 ? * {'MON,' * 80}TUE *", "it has six fields"),
        ("0 9 * * * *", "one of its two fields for days is"),
        ("0 9 ? * ? *", "one of its two fields for days is"),
    ],
)
def test_an_expression_of_another_cron_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_cron(text)


@pytest.mark.parametrize(
    ("text", "words", "expression"),
    [
        ("6 hours", "every 6 hours", "rate(6 hours)"),
        ("rate(6 hours)", "every 6 hours", "rate(6 hours)"),
        ("1 hours", "every 1 hour", "rate(1 hour)"),
        ("90 minutes", "every 90 minutes", "rate(90 minutes)"),
    ],
)
def test_a_rate_becomes_an_expression(text: str, words: str, expression: str) -> None:
    assert read_rate(text) == Timing(words, expression)


@pytest.mark.parametrize("text", ["0 hours", "hours", "6 weeks", "1.5 hours", "1234567 minutes"])
def test_a_rate_of_nothing_that_scheduler_knows_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a number of minutes, hours or days"):
        read_rate(text)


def test_a_time_zone_is_taken_by_its_name() -> None:
    assert check_timezone("America/Argentina/Buenos_Aires") == "America/Argentina/Buenos_Aires"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Europe/Berlln", "did you mean Europe/Berlin?"),
        ("../etc/passwd", "is no time zone"),
        ("", "a zone is named as Europe/Berlin is"),
    ],
)
def test_what_is_no_time_zone_is_refused(name: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="is no time zone that is known here") as caught:
        check_timezone(name)

    assert sentence in str(caught.value)

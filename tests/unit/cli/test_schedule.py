"""`mediaposter schedule`: a series is made from a sheet that was read as a whole, shown, changed and ended."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text

from mediaposter.config import Settings
from mediaposter.domain.problem import Problem
from mediaposter.stores.series import ScheduleRun, Series, SeriesState
from tests.builders import NOW
from tests.unit.cli.stack import Run, StackInMemory

NAME = "morning-kites"
THREE = ("id,prompt,seconds", "a,First,4", "b,Second,8", "c,Third,4")
AT = ("--at", "weekdays 09:00", "--timezone", "Europe/Berlin")

WriteSheet = Callable[..., str]


@pytest.fixture
def write_sheet(tmp_path: Path) -> WriteSheet:
    """Give a way to write a sheet, and to name it."""

    def write(*lines: str, name: str = "sheet.csv") -> str:
        path = tmp_path / name
        path.write_text("\n".join(lines), encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def sheet(write_sheet: WriteSheet) -> str:
    return write_sheet(*THREE)


@pytest.fixture
def made(run: Run, sheet: str) -> None:
    """Make a series of three rows."""
    assert run("schedule", "create", NAME, "--sheet", sheet, *AT).status == 0


def take(stack: StackInMemory, *, day: int = 0, row_id: str | None = None, **changes: Any) -> ScheduleRun:
    """Let a run take the next row, as the stack does."""
    series = stack.series.get(NAME)
    run = ScheduleRun(
        series=NAME,
        scheduled_at=NOW + timedelta(days=day),
        sheet=series.sheet,
        row=series.waiting[0],
        row_id=row_id,
        request_id="attempt-1",
        taken_at=NOW + timedelta(days=day),
    )
    stack.series.take(series, run)
    return stack.series.note(run, **(changes or {"video_id": f"video_{day}"}))


class TestCreate:
    def test_a_series_is_recorded_with_its_sheet_and_its_entry(
        self, run: Run, stack: StackInMemory, sheet: str
    ) -> None:
        outcome = run("schedule", "create", NAME, "--sheet", sheet, *AT)

        (series,) = stack.series.list_all()
        assert (series.name, series.owner, series.waiting) == (NAME, "inbox", (1, 2, 3))
        assert (series.timing, series.timezone, series.created_at) == ("weekdays 09:00", "Europe/Berlin", NOW)
        assert stack.sheets.contents[series.sheet.key] == Path(sheet).read_bytes()
        entry = stack.scheduler.entries[NAME]
        assert (entry["ScheduleExpression"], entry["ScheduleExpressionTimezone"], entry["State"]) == (
            "cron(0 9 ? * MON-FRI *)",
            "Europe/Berlin",
            "ENABLED",
        )
        assert (outcome.status, outcome.err) == (0, "")
        assert outcome.out == (
            "morning-kites is made: weekdays 09:00, Europe/Berlin. Its videos are of the owner inbox.\n"
            "3 rows will be taken, one at each run; the first is row 1.\n"
            "mediaposter schedule show morning-kites lists the state of each.\n"
        )

    @pytest.mark.parametrize(
        ("timing", "expression"),
        [
            (("--cron", "cron(0 9 ? * MON *)"), "cron(0 9 ? * MON *)"),
            (("--rate", "6 hours"), "rate(6 hours)"),
        ],
    )
    def test_a_timetable_may_be_schedulers_own(
        self, run: Run, stack: StackInMemory, sheet: str, timing: tuple[str, str], expression: str
    ) -> None:
        run("schedule", "create", NAME, "--sheet", sheet, *timing)

        assert stack.scheduler.entries[NAME]["ScheduleExpression"] == expression
        assert stack.scheduler.entries[NAME]["ScheduleExpressionTimezone"] == "UTC"

    def test_the_owner_is_the_one_that_was_named_else_that_of_the_inbox(
        self, run: Run, stack: StackInMemory, sheet: str
    ) -> None:
        stack.settings = Settings.from_environment({"INBOX_OWNER": "ann"})

        run("schedule", "create", "one", "--sheet", sheet, *AT)
        run("schedule", "create", "two", "--sheet", sheet, *AT, "--owner", "studio")

        assert [series.owner for series in stack.series.list_all()] == ["ann", "studio"]

    def test_a_template_is_kept_with_the_sheet_until_another_is_given(
        self, run: Run, stack: StackInMemory, write_sheet: WriteSheet
    ) -> None:
        sheet = write_sheet("product,place", "kite,Mars")
        made = run("schedule", "create", NAME, "--sheet", sheet, *AT, "--template", "A {product} on {place}")
        again = write_sheet("product,place", "kite,Mars", "boat,the sea")
        run("schedule", "replace-sheet", NAME, "--sheet", again, "--text-template", "{product}!")

        assert made.status == 0
        assert stack.series.get(NAME).sheet.templates == {"prompt": "A {product} on {place}", "text": "{product}!"}
        assert "A boat on the sea" in run("schedule", "show", NAME).out

        refused = run("schedule", "replace-sheet", NAME, "--sheet", again, "--template", "{colour} {product} {place}")
        assert (refused.status, "colour" in refused.err) == (1, True)
        assert stack.series.get(NAME).sheet.templates["prompt"] == "A {product} on {place}"

    @pytest.mark.parametrize(
        ("lines", "sentence"),
        [
            (("prompt", "First", "", '"un'), "Line 4 opens a quote that is never closed"),
            (
                ("prompt,seconds", "First,abc", "Second,4"),
                "1 row of 2 cannot be made; nothing was changed. Fix them, or leave",
            ),
            (("prompt,model,seconds", "First,gen4.5,99", "Second,,4"), "row 1, line 2: gen4.5 makes videos of"),
            (("prompt,model", "First,no-such-model", "Second,"), "row 1, line 2: There is no model"),
            (("prompt,seconds", "First,abc"), "1 row of 1 cannot be made; nothing was changed. Fix them.\n"),
            (("prompt", *(f"Number {number}" for number in range(1_001))), "The sheet has 1,001 rows, and a series"),
        ],
    )
    def test_a_sheet_that_is_wrong_is_refused_as_a_whole_and_nothing_is_made(
        self, run: Run, stack: StackInMemory, write_sheet: WriteSheet, lines: tuple[str, ...], sentence: str
    ) -> None:
        outcome = run("schedule", "create", NAME, "--sheet", write_sheet(*lines), *AT)

        assert (outcome.status, outcome.out) == (1, "")
        assert sentence in outcome.err
        assert (stack.series.list_all(), stack.sheets.contents, stack.scheduler.entries) == ([], {}, {})

    def test_rows_that_are_wrong_are_left_out_when_that_is_wanted_and_told(
        self, run: Run, stack: StackInMemory, write_sheet: WriteSheet
    ) -> None:
        sheet = write_sheet("prompt,seconds", "First,abc", "Second,4")

        outcome = run("schedule", "create", NAME, "--sheet", sheet, *AT, "--skip-bad-rows")

        assert stack.series.get(NAME).waiting == (2,)
        assert "1 row will be taken, one at each run; the first is row 2." in outcome.out
        assert "Left out: row 1, line 2: seconds: " in outcome.out

    def test_of_many_wrong_rows_the_first_are_told(self, run: Run, write_sheet: WriteSheet) -> None:
        sheet = write_sheet("prompt,seconds", *(f"Number {number},abc" for number in range(25)))

        err = run("schedule", "create", NAME, "--sheet", sheet, *AT).err

        assert err.count("\nrow ") == 20
        assert err.endswith("… and 5 more.\n")

    @pytest.mark.parametrize(
        ("name", "sentence"),
        [
            ("sheet.xlsx", "sheet.xlsx is not a sheet: its name must end in .csv, .tsv or .jsonl."),
            ("gone.csv", "cannot be read"),
        ],
    )
    def test_a_file_that_is_no_sheet_is_refused(self, run: Run, tmp_path: Path, name: str, sentence: str) -> None:
        (tmp_path / "sheet.xlsx").write_bytes(b"PK")

        outcome = run("schedule", "create", NAME, "--sheet", str(tmp_path / name), *AT)

        assert (outcome.status, sentence in outcome.err) == (1, True)

    def test_a_sheet_that_is_too_large_is_refused(self, run: Run, write_sheet: WriteSheet) -> None:
        sheet = write_sheet("prompt", *("a" * 200_000 for _ in range(22)))

        assert "and may have 4,194,304" in run("schedule", "create", NAME, "--sheet", sheet, *AT).err

    @pytest.mark.parametrize(
        ("argument", "sentence"),
        [
            (("--at", "sometimes"), "Invalid value for '--at': it is said as"),
            (("--cron", "0 9 * * *"), "Invalid value for '--cron': it has six fields"),
            (("--rate", "often"), "Invalid value for '--rate': it is a number of"),
            ((), "say when by one of --at, --cron and --rate"),
            (("--at", "daily 09:00", "--rate", "1 day"), "say when by one of --at, --cron and --rate"),
            ((*AT, "--timezone", "CEST"), "Invalid value for '--timezone': 'CEST' is no time zone"),
            ((*AT, "--owner", "a#b"), "Invalid value for '--owner': an owner has"),
        ],
    )
    def test_what_makes_no_sense_is_refused_in_a_sentence(
        self, run: Run, stack: StackInMemory, sheet: str, argument: tuple[str, ...], sentence: str
    ) -> None:
        outcome = run("schedule", "create", NAME, "--sheet", sheet, *argument)

        assert (outcome.status, outcome.out) == (2, "")
        assert sentence in outcome.err
        assert outcome.err.count("\n") == 1
        assert stack.looked_for == []

    @pytest.mark.parametrize("name", ["", "a#b", "-a", "n" * 65])
    def test_a_name_that_scheduler_would_not_take_is_refused(self, run: Run, sheet: str, name: str) -> None:
        assert run("schedule", "create", f"--sheet={sheet}", *AT, "--", name).status == 2

    @pytest.mark.usefixtures("made")
    def test_a_name_that_there_is_already_is_refused_and_the_series_stays(
        self, run: Run, stack: StackInMemory, write_sheet: WriteSheet
    ) -> None:
        before = stack.series.get(NAME), dict(stack.sheets.contents)

        outcome = run("schedule", "create", NAME, "--sheet", write_sheet("prompt", "Other"), "--at", "daily 10:00")

        assert outcome.status == 1
        assert outcome.err.startswith("There is a series morning-kites already.")
        assert (stack.series.get(NAME), stack.sheets.contents) == before
        assert stack.scheduler.entries[NAME]["ScheduleExpression"] == "cron(0 9 ? * MON-FRI *)"

    def test_what_scheduler_refuses_leaves_nothing_behind(self, run: Run, stack: StackInMemory, sheet: str) -> None:
        stack.scheduler.refusal = "ValidationException"

        outcome = run("schedule", "create", NAME, "--sheet", sheet, "--cron", "0 99 ? * MON *")

        assert (outcome.status, outcome.err) == (1, "AWS refused CreateSchedule (ValidationException): No.\n")
        assert (stack.series.list_all(), stack.sheets.contents) == ([], {})


class TestList:
    def test_a_stack_without_series_says_how_to_make_one(self, run: Run) -> None:
        assert json.loads(run("schedule", "list", "--json").out) == []
        assert run("schedule", "list").out == (
            "mediaposter has no series yet. mediaposter schedule create NAME makes one.\n"
        )

    @pytest.mark.usefixtures("made")
    def test_series_are_listed_with_when_what_is_left_and_what_was_last(self, run: Run, stack: StackInMemory) -> None:
        take(stack, day=1)

        title, line = run("schedule", "list").out.splitlines()

        assert title.split() == ["NAME", "when", "owner", "rows", "left", "last", "taken", "state"]
        assert line.split("  ")[0] == NAME
        assert "weekdays 09:00, Europe/Berlin" in line
        assert line.split()[-4:] == ["2", "2026-12-02", "12:00", "active"]

    @pytest.mark.usefixtures("made")
    @pytest.mark.parametrize("argv", [("list",), ("show", NAME)])
    def test_what_is_listed_fits_80_columns(
        self, run: Run, stack: StackInMemory, monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...]
    ) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setenv("FORCE_COLOR", "1")
        video_id = f"video_{'a' * 32}"
        take(stack, day=1, video_id=video_id)

        # Sentences are before the table: a terminal breaks those by itself.
        table = Text.from_ansi(run("schedule", *argv).out).plain.split("\n\n")[-1]

        assert max(map(len, table.splitlines())) <= 80
        assert video_id in table or argv == ("list",)

    @pytest.mark.usefixtures("made")
    def test_series_are_listed_as_json_for_scripts(self, run: Run, stack: StackInMemory) -> None:
        (line,) = json.loads(run("schedule", "list", "--json").out)

        assert line == {
            "name": NAME,
            "timing": "weekdays 09:00",
            "expression": "cron(0 9 ? * MON-FRI *)",
            "timezone": "Europe/Berlin",
            "owner": "inbox",
            "waiting": 3,
            "state": "active",
            "sheet": stack.series.get(NAME).sheet.key,
            "created_at": "2026-12-01T12:00:00Z",
            "last_taken_at": None,
        }

    @pytest.mark.usefixtures("made")
    def test_the_state_tells_of_the_entry_and_of_the_sheet(self, run: Run, stack: StackInMemory) -> None:
        stack.scheduler.entries.clear()
        before = read_state(run)

        run("schedule", "resume", NAME)

        assert (before, read_state(run)) == ("has no schedule", "active")
        for day in range(3):
            take(stack, day=day)
        assert read_state(run) == "sheet is used up"
        stack.scheduler.entries[NAME]["State"] = "DISABLED"
        assert read_state(run) == "paused"


def read_state(run: Run) -> str:
    (line,) = json.loads(run("schedule", "list", "--json").out)
    return str(line["state"])


class TestShow:
    def test_each_row_is_shown_with_what_became_of_it(
        self, run: Run, stack: StackInMemory, write_sheet: WriteSheet
    ) -> None:
        sheet = write_sheet(*THREE, "d,Fourth,abc", "e,Fifth,4")
        run("schedule", "create", NAME, "--sheet", sheet, *AT, "--skip-bad-rows")
        take(stack, day=0, row_id="a")
        take(stack, day=1, row_id="b", error=Problem(code="budget_exceeded", message="The day is full."))

        shown = json.loads(run("schedule", "show", NAME, "--json").out)

        assert [(row["row"], row["id"], row["state"]) for row in shown["rows"]] == [
            (1, "a", "taken"),
            (2, "b", "refused"),
            (3, "c", "waiting"),
            (4, "d", "wrong"),
            (5, "e", "waiting"),
        ]
        taken, refused, waiting, wrong, _ = shown["rows"]
        assert (taken["video_id"], taken["taken_at"], taken["prompt"]) == ("video_0", "2026-12-01T12:00:00Z", "First")
        assert refused["error"] == {"code": "budget_exceeded", "message": "The day is full.", "param": None}
        assert (waiting["taken_at"], waiting["error"]) == (None, None)
        assert wrong["error"]["param"] == "seconds"
        assert (shown["waiting"], shown["state"], shown["taken_earlier"]) == (2, "active", 0)

    @pytest.mark.usefixtures("made")
    def test_it_is_shown_as_a_table(self, run: Run, stack: StackInMemory) -> None:
        take(stack, row_id="a")

        out = run("schedule", "show", NAME).out

        title, sheet, _, header, *rows = out.splitlines()
        assert title == "morning-kites: weekdays 09:00, Europe/Berlin; active. The videos are of inbox."
        assert sheet == f"sheet: {stack.series.get(NAME).sheet.key}"
        assert header.split() == ["row", "id", "prompt", "state", "taken", "what", "became", "of", "it"]
        assert [row.split() for row in rows] == [
            ["1", "a", "First", "taken", "2026-12-01", "12:00", "video_0"],
            ["2", "b", "Second", "waiting"],
            ["3", "c", "Third", "waiting"],
        ]

    def test_a_long_prompt_is_shortened_and_its_signs_do_not_reach_the_terminal(
        self, run: Run, write_sheet: WriteSheet
    ) -> None:
        sheet = write_sheet("prompt", f"\x1b[31m{'a' * 60}")
        run("schedule", "create", NAME, "--sheet", sheet, *AT)

        out = run("schedule", "show", NAME).out

        assert "\x1b" not in out
        assert f" [31m{'a' * 34}… " in out

    @pytest.mark.usefixtures("made")
    def test_rows_of_earlier_sheets_are_known_by_their_ids_and_others_counted(
        self, run: Run, stack: StackInMemory, write_sheet: WriteSheet
    ) -> None:
        for day, row_id in enumerate("ab"):
            take(stack, day=day, row_id=row_id)
        run("schedule", "replace-sheet", NAME, "--sheet", write_sheet("id,prompt", "n,New", "b,Second"))

        shown = json.loads(run("schedule", "show", NAME, "--json").out)
        out = run("schedule", "show", NAME).out

        assert [(row["id"], row["state"], row["video_id"]) for row in shown["rows"]] == [
            ("n", "waiting", None),
            ("b", "taken", "video_1"),
        ]
        assert shown["taken_earlier"] == 1
        assert out.endswith("\n1 row more, which this sheet has not, came from earlier ones.\n")

    @pytest.mark.usefixtures("made")
    def test_a_refused_row_that_waits_again_is_shown_to_wait(self, run: Run, stack: StackInMemory, sheet: str) -> None:
        take(stack, row_id="a", error=Problem(code="budget_exceeded", message="The day is full."))
        run("schedule", "replace-sheet", NAME, "--sheet", sheet)

        first, *_ = json.loads(run("schedule", "show", NAME, "--json").out)["rows"]

        assert (first["id"], first["state"]) == ("a", "waiting")


@pytest.mark.usefixtures("made")
class TestReplaceSheet:
    def test_another_sheet_goes_on_with_what_was_not_taken(
        self, run: Run, stack: StackInMemory, write_sheet: WriteSheet
    ) -> None:
        take(stack, row_id="a")
        before = stack.series.get(NAME).sheet.key

        outcome = run("schedule", "replace-sheet", NAME, "--sheet", write_sheet(*THREE, "d,Fourth,4"))

        series = stack.series.get(NAME)
        assert (series.waiting, series.sheet.key == before) == ((2, 3, 4), False)
        assert stack.sheets.contents.keys() == {before, series.sheet.key}
        assert outcome.out == (
            "morning-kites has another sheet: 3 rows will be taken, one at each run; the next is row 2.\n"
        )

    def test_a_sheet_without_ids_goes_on_by_number_or_where_its_owner_says(
        self, run: Run, stack: StackInMemory, write_sheet: WriteSheet
    ) -> None:
        take(stack, row_id="a")
        sheet = write_sheet("prompt", "Other", "Others")

        run("schedule", "replace-sheet", NAME, "--sheet", sheet)
        by_number = stack.series.get(NAME).waiting
        run("schedule", "replace-sheet", NAME, "--sheet", sheet, "--start-row", "1")

        assert (by_number, stack.series.get(NAME).waiting) == ((2,), (1, 2))

    def test_a_sheet_of_which_all_was_taken_is_told_with_what_to_do(
        self, run: Run, stack: StackInMemory, write_sheet: WriteSheet
    ) -> None:
        for day in range(3):
            take(stack, day=day)

        outcome = run("schedule", "replace-sheet", NAME, "--sheet", write_sheet("prompt", "Other"))

        assert stack.series.get(NAME).waiting == ()
        assert "all its rows were taken before: none will be." in outcome.out
        assert "--start-row 1" in outcome.out

    def test_a_row_that_is_taken_meanwhile_is_not_taken_again(
        self, run: Run, stack: StackInMemory, write_sheet: WriteSheet
    ) -> None:
        stack.table.meanwhile = lambda: take(stack, row_id="a")

        run("schedule", "replace-sheet", NAME, "--sheet", write_sheet(*THREE))

        assert stack.series.get(NAME).waiting == (2, 3)

    def test_a_series_that_always_changes_is_told(
        self, run: Run, stack: StackInMemory, write_sheet: WriteSheet
    ) -> None:
        def change() -> None:
            stack.series.change(stack.series.get(NAME), state=SeriesState.ACTIVE)
            stack.table.meanwhile = change

        stack.table.meanwhile = change

        outcome = run("schedule", "replace-sheet", NAME, "--sheet", write_sheet(*THREE))

        assert (outcome.status, "Another command is changing" in outcome.err) == (1, True)


@pytest.mark.usefixtures("made")
class TestPauseAndResume:
    def test_a_pause_disables_the_entry_and_stops_what_is_on_its_way(self, run: Run, stack: StackInMemory) -> None:
        outcome = run("schedule", "pause", NAME)

        assert outcome.out == (
            "morning-kites is paused: its runs take nothing until mediaposter schedule resume morning-kites.\n"
        )
        assert stack.series.get(NAME).state is SeriesState.PAUSED
        assert stack.scheduler.entries[NAME]["State"] == "DISABLED"
        assert read_state(run) == "paused"

    def test_a_series_goes_on_where_it_was(self, run: Run, stack: StackInMemory) -> None:
        take(stack)
        run("schedule", "pause", NAME)

        outcome = run("schedule", "resume", NAME)

        assert outcome.out == "morning-kites is resumed: weekdays 09:00, Europe/Berlin; 2 rows wait.\n"
        assert stack.series.get(NAME).waiting == (2, 3)
        assert stack.scheduler.entries[NAME]["State"] == "ENABLED"


@pytest.mark.usefixtures("made")
class TestRemove:
    def test_nothing_of_a_series_stays(self, run: Run, stack: StackInMemory) -> None:
        take(stack)

        outcome = run("schedule", "remove", NAME)

        assert outcome.out.startswith("morning-kites is removed")
        assert (stack.table.items, stack.sheets.contents, stack.scheduler.entries) == ({}, {}, {})

    def test_what_a_removal_that_broke_off_left_is_removed(self, run: Run, stack: StackInMemory) -> None:
        series: Series = stack.series.get(NAME)
        take(stack)
        del stack.table.items[series.key]

        assert run("schedule", "remove", NAME).status == 0
        assert stack.table.items == {}

    def test_many_turns_are_forgotten(self, run: Run, stack: StackInMemory, write_sheet: WriteSheet) -> None:
        run("schedule", "replace-sheet", NAME, "--sheet", write_sheet("prompt", *map(str, range(130))))
        for day in range(130):
            take(stack, day=day)

        run("schedule", "remove", NAME)

        assert stack.table.items == {}


@pytest.mark.parametrize("command", ["show", "pause", "resume", "replace-sheet", "remove"])
def test_a_series_that_is_not_there_is_told_and_keeps_no_sheet(
    run: Run, stack: StackInMemory, sheet: str, command: str
) -> None:
    more = ("--sheet", sheet) if command == "replace-sheet" else ()

    outcome = run("schedule", command, "other", *more)

    assert (outcome.status, outcome.out, "no series other." in outcome.err) == (1, "", True)
    assert (stack.sheets.contents, stack.scheduler.entries) == ({}, {})

"""`mediaposter schedule` on the data folder of a host: the same commands, without AWS."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from mediaposter.cli import main
from mediaposter.cli.host_folder import open_host_folder
from mediaposter.cli.session import Session
from mediaposter.host.database import Database
from mediaposter.host.folder import DATABASE_FILE
from mediaposter.host.series_clock import SeriesClock, ToldTurns
from mediaposter.host.table import SqliteTable
from mediaposter.stores.series import SeriesStore
from tests.fakes.clock import Clock
from tests.unit.cli.stack import Outcome, Run, StackInMemory

AT = ("--at", "daily 09:00", "--timezone", "Europe/Berlin")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder that a host made."""
    folder = tmp_path / "data"
    Database(folder / DATABASE_FILE).close()
    return folder


@pytest.fixture
def sheet(tmp_path: Path) -> str:
    path = tmp_path / "sheet.csv"
    path.write_text("id,prompt\na,First\nb,Second", encoding="utf-8")
    return str(path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def run(clock: Clock, capsys: pytest.CaptureFixture[str]) -> Run:
    """Give a way to run a command and to see what it wrote."""

    def run_command(*argv: str, find_host: Callable[[], Path | None] = lambda: None) -> Outcome:
        session = Session(
            open_stack=StackInMemory().open,
            open_host=lambda folder: open_host_folder(folder, {}, clock=clock),
            find_host=find_host,
            clock=clock,
        )
        status = main(argv, session=session)
        out, err = capsys.readouterr()
        return Outcome(status, out, err)

    return run_command


def test_a_series_is_made_shown_paused_resumed_and_removed(run: Run, folder: Path, sheet: str) -> None:
    data = ("--data", str(folder))
    made = run("schedule", "create", "kites", "--sheet", sheet, *AT, *data)
    assert (made.status, made.err) == (0, "")
    assert "kites is made: daily 09:00, Europe/Berlin. Its videos are of the owner local." in made.out

    [line] = json.loads(run("schedule", "list", "--json", *data).out)
    assert (line["state"], line["waiting"], line["owner"]) == ("active", 2, "local")
    shown = json.loads(run("schedule", "show", "kites", "--json", *data).out)
    assert [row["state"] for row in shown["rows"]] == ["waiting", "waiting"]
    assert run("schedule", "replace-sheet", "kites", "--sheet", sheet, *data).status == 0
    assert run("schedule", "pause", "kites", *data).status == 0
    assert json.loads(run("schedule", "list", "--json", *data).out)[0]["state"] == "paused"
    assert run("schedule", "resume", "kites", *data).status == 0
    assert run("schedule", "remove", "kites", *data).status == 0
    assert "has no series yet" in run("schedule", "list", *data).out
    assert not (folder / "files" / "series").exists()


def test_a_host_that_runs_meanwhile_tells_of_the_turns_of_a_new_series(
    run: Run, folder: Path, sheet: str, clock: Clock
) -> None:
    told: list[str] = []
    with closing(Database(folder / DATABASE_FILE)) as database:
        host_clock = SeriesClock(
            SeriesStore(SqliteTable(database)),
            ToldTurns(database),
            announce=told.append,
            report=told.append,
            clock=clock,
        )
        host_clock.look()
        run("schedule", "create", "kites", "--sheet", sheet, "--rate", "6 hours", "--data", str(folder))
        host_clock.look()

    assert [json.loads(notice)["detail"]["series"] for notice in told] == ["kites"]


def test_a_timetable_that_the_host_cannot_read_leaves_nothing_behind(run: Run, folder: Path, sheet: str) -> None:
    refused = run("schedule", "create", "kites", "--sheet", sheet, "--cron", "0 9 LW * ? *", "--data", str(folder))

    assert refused.status == 1
    assert "This host cannot read the timetable cron(0 9 LW * ? *)." in refused.err
    with open_host_folder(folder, {}, clock=Clock()) as host:
        assert host.series.list_all() == []


def test_the_host_that_runs_here_is_taken_unless_a_stack_is_named(run: Run, folder: Path) -> None:
    on_the_host = run("schedule", "list", find_host=lambda: folder)
    on_aws = run("schedule", "list", "--stack", "prod", find_host=lambda: folder)

    assert on_the_host.err == f"On the host that runs here, in {folder}. --stack names a stack on AWS instead.\n"
    assert str(folder) in on_the_host.out
    assert (on_aws.err, "prod has no series yet" in on_aws.out) == ("", True)

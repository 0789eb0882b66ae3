"""`mediaposter batch`: rows are checked before anything is started, and results are fetched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.cli.fake_api import FakeApi, refuse, reply
from tests.unit.cli.stack import Run

BATCH = "batch_01"
KNOWS_DRY_RUN = reply({"paths": {"/batches": {"post": {"parameters": [{"name": "dry_run", "in": "query"}]}}}})
IS_OLDER = reply({"paths": {"/batches": {"post": {"parameters": [{"name": "Idempotency-Key", "in": "header"}]}}}})


def a_batch(status: str = "completed", **counts: int) -> dict[str, Any]:
    return {
        "id": BATCH,
        "object": "batch",
        "status": status,
        "created_at": 1,
        "request_counts": counts,
        "cost_usd": "0",
    }


def a_check(rows: int, *errors: dict[str, Any]) -> httpx.Response:
    counts = {"rows": rows, "accepted": rows - len(errors), "refused": len(errors), "cost_estimate_usd": "0.08"}
    return reply({"object": "batch.check", "errors": list(errors), **counts})


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text("id,prompt\na,A kite\nb,A boat\n")
    return path


@pytest.fixture
def stack(api: FakeApi) -> FakeApi:
    """Give a stack that checks files, and takes one."""
    api.on("GET", "/openapi.json", KNOWS_DRY_RUN)
    api.on("POST", "/uploads", reply({"id": "upload_1", "url": "https://s3.test/put", "headers": {"x-a": "1"}}))
    api.on("PUT", "https://s3.test/put", httpx.Response(200))
    api.on("POST", "/batches", a_check(2), reply(a_batch("validating")))
    api.on(
        "GET",
        f"/batches/{BATCH}",
        reply(a_batch("in_progress", total=2, completed=1)),
        reply(a_batch(total=2, completed=2)),
    )
    api.on("GET", f"/batches/{BATCH}/results", httpx.Response(200, content=b"row,id"))
    return api


@pytest.mark.usefixtures("sheet")
class TestRun:
    def test_the_rows_are_checked_then_made_then_fetched(self, ask: Run, stack: FakeApi, tmp_path: Path) -> None:
        outcome = ask("batch", "run", "rows.csv")

        assert (outcome.status, (tmp_path / "rows-results.csv").read_bytes()) == (0, b"row,id")
        assert "2 rows of 2 will be made, for about $0.08." in outcome.err
        assert "making" in outcome.err
        checked, made = stack.calls("POST", "/batches")
        assert (checked.url.params.get("dry_run"), made.url.params.get("dry_run")) == ("true", None)
        assert stack.bodies("POST", "/batches") == [{"file": "upload_1"}] * 2
        assert len(stack.calls("POST", "/uploads")) == 1

    def test_a_template_goes_with_the_check_and_with_the_batch(self, ask: Run, stack: FakeApi) -> None:
        texts = ("--template", "A {product}", "--text-template", "{product}!", "--title-template", "New")
        outcome = ask("batch", "run", "rows.csv", *texts)

        assert outcome.status == 0
        request = {
            "file": "upload_1",
            "template": "A {product}",
            "text_template": "{product}!",
            "title_template": "New",
        }
        assert stack.bodies("POST", "/batches") == [request] * 2

    def test_a_text_that_is_no_template_is_refused_before_anything_is_sent(self, ask: Run, stack: FakeApi) -> None:
        outcome = ask("batch", "run", "rows.csv", "--template", "A {product")

        assert (outcome.status, stack.calls("POST", "/uploads")) == (2, [])
        assert "stray {" in outcome.err

    def test_a_check_names_the_rows_whose_captions_cost_more(self, ask: Run, stack: FakeApi) -> None:
        counts = {"rows": 2, "accepted": 2, "refused": 0, "captions": 1, "cost_estimate_usd": "0.08"}
        stack.on("POST", "/batches", reply({"object": "batch.check", "errors": [], **counts}))

        outcome = ask("batch", "run", "rows.csv", "--check")

        assert "2 rows of 2 can be made, for about $0.08 and the captions of 1 row." in outcome.out

    def test_a_wrong_row_is_named_and_nothing_is_started(self, ask: Run, stack: FakeApi) -> None:
        error = {
            "row": 2,
            "line": 3,
            "custom_id": "b",
            "code": "x",
            "message": "seconds: too long.",
            "param": "seconds",
        }
        stack.on("POST", "/batches", a_check(2, error))

        outcome = ask("batch", "run", "rows.csv")

        assert outcome.status == 1
        assert "row 2, line 3 (b): seconds: too long." in outcome.err
        assert "1 row of 2 cannot be made; nothing was started." in outcome.err
        assert len(stack.calls("POST", "/batches")) == 1

    def test_wrong_rows_may_be_left_out(self, ask: Run, stack: FakeApi) -> None:
        error = {"row": 2, "line": 3, "code": "x", "message": "No."}
        stack.on("POST", "/batches", a_check(2, error), reply(a_batch("validating")))
        stack.on("GET", f"/batches/{BATCH}", reply(a_batch(total=2, completed=1, refused=1)))

        assert ask("batch", "run", "rows.csv", "--skip-bad-rows").status == 0

    def test_a_stack_that_would_start_a_dry_run_is_not_sent_one(self, ask: Run, stack: FakeApi) -> None:
        stack.on("GET", "/openapi.json", IS_OLDER)

        outcome = ask("batch", "run", "rows.csv", "--check")

        assert outcome.out == "2 rows of 2 can be made. Nothing was started.\n"
        assert "the rows are checked here" in outcome.err
        assert stack.calls("POST", "/batches") == []

    def test_an_older_stack_gets_rows_that_were_checked_here(self, ask: Run, stack: FakeApi, sheet: Path) -> None:
        stack.on("GET", "/openapi.json", IS_OLDER)
        sheet.write_text("id;prompt;seconds\na;A kite;4\nb;;x\n")

        outcome = ask("batch", "run", "rows.csv")

        assert (outcome.status, stack.calls("POST", "/uploads")) == (1, [])
        assert "row 2, line 3 (b): " in outcome.err

    def test_a_failed_row_is_1(self, ask: Run, stack: FakeApi) -> None:
        stack.on("GET", f"/batches/{BATCH}", reply(a_batch(total=2, completed=1, failed=1)))

        outcome = ask("batch", "run", "rows.csv")

        assert (outcome.status, "2 rows: 1 done, 1 failed." in outcome.out) == (1, True)

    def test_a_refused_row_is_told_apart_from_a_failed_one_while_the_others_run(self, ask: Run, stack: FakeApi) -> None:
        runs = reply(a_batch("in_progress", total=4, in_progress=1, completed=1, failed=1, refused=1))
        stack.on("GET", f"/batches/{BATCH}", runs, reply(a_batch(total=4, completed=2, failed=1, refused=1)))

        assert "3 of 4, 1 failed, 1 refused" in ask("batch", "run", "rows.csv").err

    def test_without_waiting_the_id_is_all_of_stdout(self, ask: Run, stack: FakeApi) -> None:
        assert ask("batch", "run", "rows.csv", "--no-wait").out == f"{BATCH}\n"

    def test_a_file_of_results_is_not_written_over(self, ask: Run, stack: FakeApi, tmp_path: Path) -> None:
        (tmp_path / "rows-results.csv").write_text("mine")

        assert (ask("batch", "run", "rows.csv").status, stack.calls("POST", "/batches")) == (1, [])


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("rows.xlsx", b"PK", "Save its sheet as CSV UTF-8"),
        ("rows.pdf", b"%PDF", "its name must end in .csv, .tsv or .jsonl"),
        ("rows.csv", b"\n", "rows.csv is empty"),
        ("rows.csv", None, "rows.csv cannot be read"),
        ("rows.csv", b"name,foo\n1,2\n", "no column is called that"),
    ],
)
def test_a_file_that_is_none_is_told(ask: Run, api: FakeApi, name: str, content: bytes | None, sentence: str) -> None:
    api.on("GET", "/openapi.json", IS_OLDER)
    if content is not None:
        Path(name).write_bytes(content)

    outcome = ask("batch", "run", name)

    assert (outcome.status, outcome.out) == (1, "")
    assert sentence in outcome.err


def test_a_batch_is_shown_listed_and_cancelled(ask: Run, stack: FakeApi) -> None:
    stack.on("GET", "/batches", reply({"data": [a_batch("in_progress", total=3, completed=1, failed=1, refused=1)]}))
    stack.on("POST", f"/batches/{BATCH}/cancel", reply(a_batch("cancelling", total=3)))

    assert ask("batch", "show", BATCH).out.startswith(f"{BATCH} is in_progress.")
    assert ask("batch", "list").out.splitlines()[1].split()[:6] == [BATCH, "in_progress", "3", "1", "1", "1"]
    assert "cancelling" in ask("batch", "cancel", BATCH, "--running").out
    assert stack.bodies("POST", f"/batches/{BATCH}/cancel") == [{"running": True}]


def test_a_cost_by_the_catalog_s_price_is_told_as_about(ask: Run, api: FakeApi) -> None:
    api.on("GET", f"/batches/{BATCH}", reply({**a_batch(), "cost_usd": "0.08"}))

    assert ask("batch", "show", BATCH).out.startswith(f"{BATCH} is completed. Cost: about $0.08.")


@pytest.mark.parametrize(("output", "asked_for"), [("r.jsonl", "jsonl"), ("r.csv", "csv"), (".", "csv")])
def test_the_name_of_the_results_says_their_format(ask: Run, stack: FakeApi, output: str, asked_for: str) -> None:
    assert ask("batch", "results", BATCH, "--output", output).status == 0
    assert stack.seen[-1].url.params["format"] == asked_for


def test_a_batch_is_watched_as_lines_of_json(ask: Run, stack: FakeApi) -> None:
    lines = ask("watch", BATCH, "--json").out.splitlines()

    assert [json.loads(line)["status"] for line in lines] == ["in_progress", "completed"]


def test_what_is_no_id_is_not_sent(ask: Run, api: FakeApi) -> None:
    assert (ask("batch", "show", "video_1").status, api.seen) == (2, [])


def test_results_that_are_not_there_yet_are_told(ask: Run, api: FakeApi) -> None:
    api.on("GET", f"/batches/{BATCH}/results", refuse(404, "The batch has no results yet.", code="not_found"))

    assert "The batch has no results yet." in ask("batch", "results", BATCH).err

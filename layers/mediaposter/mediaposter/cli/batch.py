"""`mediaposter batch`: many videos from a file, one a row."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from pydantic import JsonValue

from mediaposter.cli.api import Api, api_command
from mediaposter.cli.batch_end import describe_batch, end_batch, fetch_batch_results
from mediaposter.cli.batch_file import BatchFile, check_here, read_batch_file
from mediaposter.cli.client import Unreachable
from mediaposter.cli.console import count_of, create_table, describe_age, write_note, write_table
from mediaposter.cli.files import choose_path
from mediaposter.cli.follow import follow_batch
from mediaposter.cli.generate import Force, IdempotencyKey, Wait, upload
from mediaposter.cli.options import create_group
from mediaposter.cli.replies import BatchCheck, BatchView, Page
from mediaposter.cli.templates import PromptTemplate, TextTemplate, TitleTemplate, name_templates
from mediaposter.domain.errors import ConfigurationError
from mediaposter.wire.row_templates import RowTemplates

_ERRORS_SHOWN_MAX = 20

app = create_group("Many videos from a file, one a row.")

BatchId: TypeAlias = Annotated[str, typer.Argument(metavar="BATCH", help="Its id: batch_…")]
ResultsOutput: TypeAlias = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE|DIR", help="Where to put the results: a CSV, or .jsonl."),
]


@api_command(app, "run")
def run_batch(
    api: Api,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The rows: .csv, .tsv or .jsonl.")],
    *,
    check: Annotated[bool, typer.Option("--check", help="Only check the rows.")] = False,
    skip_bad_rows: Annotated[bool, typer.Option("--skip-bad-rows", help="Leave out rows that are wrong.")] = False,
    template: PromptTemplate = None,
    text_template: TextTemplate = None,
    title_template: TitleTemplate = None,
    wait: Wait = True,
    output: ResultsOutput = None,
    force: Force = False,
    idempotency_key: IdempotencyKey = None,
) -> None:
    """Check all rows, make their videos, and fetch the results.

    Excel and Google Sheets save such a file: Save as, CSV UTF-8. A column is a field of a video: prompt, model,
    seconds, size, text; an account is a column as publish.instagram. docs/operations.md names them all.
    With --template other columns fill one prompt for all rows.
    """
    templates = name_templates(template, text_template, title_template)
    batch_file = read_batch_file(file)
    results = output or Path(f"{file.stem}-results.csv")
    if wait and not check:
        choose_path(results, f"{file.stem}-results.csv", is_forced=force)
    file_id, found = _check(api, batch_file, templates)
    if found.refused and (not skip_bad_rows or not found.accepted):
        _tell_errors(found)
        if api.as_json:
            api.write_json(found.model_dump(mode="json"))
        advice = " Fix them, or leave them out with --skip-bad-rows." if found.accepted else " Fix them."
        raise ConfigurationError(
            f"{count_of(found.refused, 'row')} of {found.rows} cannot be made; nothing was started.{advice}"
        )
    captions = f" and the captions of {count_of(found.captions, 'row')}" if found.captions else ""
    cost = f", for about ${found.cost_estimate_usd}{captions}" if found.cost_estimate_usd else ""
    if check:
        if api.as_json:
            api.write_json(found.model_dump(mode="json"))
        else:
            _tell_errors(found)
            api.say(f"{count_of(found.accepted, 'row')} of {found.rows} can be made{cost}. Nothing was started.")
        return
    _tell_errors(found)
    write_note(f"{count_of(found.accepted, 'row')} of {found.rows} will be made{cost}.")
    file_id = file_id or upload(api, batch_file.content, batch_file.content_type)
    key = idempotency_key or str(uuid.uuid4())
    try:
        answer = api.client.post("/batches", _write_request(file_id, templates), idempotency_key=key)
    except Unreachable as error:
        if error.was_sent:
            write_note("The batch may have been accepted: see mediaposter batch list before you run it again.")
        raise
    batch = BatchView.model_validate(answer.body)
    write_note(f"{batch.id} is started.")
    if wait:
        ended = follow_batch(api, batch.id, first=answer)
        end_batch(api, ended, output=results, is_forced=force, refused_before=found.refused)
    elif api.as_json:
        api.write_json(answer.body)
    else:
        api.say(batch.id)
        write_note(f"Follow it with:  mediaposter watch {batch.id}")


@api_command(app, "show")
def show_batch(api: Api, batch: BatchId) -> None:
    """Show how a batch stands."""
    answer = api.client.get(f"/batches/{_check_id(api, batch)}")
    if api.as_json:
        api.write_json(answer.body)
        return
    for line in describe_batch(BatchView.model_validate(answer.body)):
        api.say(line)


@api_command(app, "list")
def list_batches(
    api: Api,
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100, help="How many, the newest first.")] = 20,
) -> None:
    """List your batches, the newest first."""
    answer = api.client.get("/batches", {"limit": str(limit)})
    if api.as_json:
        api.write_json(answer.body)
        return
    batches = Page[BatchView].model_validate(answer.body).data
    if not batches:
        api.say("There is no batch yet. Make one: mediaposter batch run FILE.csv")
        return
    table = create_table("ID", "status", "rows", "done", "failed", "refused", "age")
    now = api.session.clock().timestamp()
    for batch in batches:
        counts = batch.request_counts
        numbers = (counts.total, counts.completed, counts.failed, counts.refused)
        table.add_row(batch.id, batch.status, *map(str, numbers), describe_age(now - batch.created_at))
    write_table(table)


@api_command(app, "cancel")
def cancel_batch(
    api: Api,
    batch: BatchId,
    *,
    running: Annotated[bool, typer.Option("--running", help="Also stop what is being rendered.")] = False,
) -> None:
    """Stop what of a batch is not started."""
    route = f"/batches/{_check_id(api, batch)}/cancel"
    answer = api.client.post(route, {"running": running}, is_repeatable=True)
    if api.as_json:
        api.write_json(answer.body)
        return
    for line in describe_batch(BatchView.model_validate(answer.body)):
        api.say(line)


@api_command(app, "results")
def fetch_results(api: Api, batch: BatchId, *, output: ResultsOutput = None, force: Force = False) -> None:
    """Fetch what became of each row, with links of the videos: a CSV, or JSON Lines."""
    path = fetch_batch_results(api, _check_id(api, batch), output, is_forced=force)
    if api.as_json:
        api.write_json({"object": "file", "batch_id": batch, "path": path.partition(" (")[0]})
    else:
        api.say(f"Saved {path}.")


def _check(api: Api, file: BatchFile, templates: Mapping[str, str]) -> tuple[str | None, BatchCheck]:
    """Check the rows: by the API if it can, which knows its models and prices, else by the rules of this package.

    Returns:
        The id of the file if it was uploaded for this, and what was found.
    """
    if not _can_check(api):
        write_note("This stack does not check files, so the rows are checked here, against the built-in models.")
        return None, check_here(file, RowTemplates.read(templates), api.session.clock().date())
    file_id = upload(api, file.content, file.content_type)
    request = _write_request(file_id, templates)
    answer = api.client.post("/batches", request, params={"dry_run": "true"}, is_repeatable=True)
    return file_id, BatchCheck.model_validate(answer.body)


def _write_request(file_id: str, templates: Mapping[str, str]) -> dict[str, JsonValue]:
    names = {"prompt": "template", "text": "text_template", "title": "title_template"}
    return {"file": file_id, **{names[field]: text for field, text in templates.items()}}


def _can_check(api: Api) -> bool:
    """Ask the contract: a stack that does not know `dry_run` of a batch would start it."""
    node: JsonValue = api.client.get("/openapi.json").body
    for name in ("paths", "/batches", "post", "parameters"):
        node = node.get(name) if isinstance(node, dict) else None
    return isinstance(node, list) and any(isinstance(one, dict) and one.get("name") == "dry_run" for one in node)


def _tell_errors(found: BatchCheck) -> None:
    for error in found.errors[:_ERRORS_SHOWN_MAX]:
        where = f"row {error.row}{f', line {error.line}' if error.line else ''}" if error.row else "the file"
        write_note(f"  {where}{f' ({error.custom_id})' if error.custom_id else ''}: {error.message}")
    if found.refused > _ERRORS_SHOWN_MAX:
        write_note(f"  … and {found.refused - _ERRORS_SHOWN_MAX} more.")


def _check_id(api: Api, batch_id: str) -> str:
    if not batch_id.startswith("batch_") or not batch_id.replace("_", "").isalnum():
        api.context.fail(f"{batch_id} is no id of a batch: they begin with batch_; see mediaposter batch list")
    return batch_id

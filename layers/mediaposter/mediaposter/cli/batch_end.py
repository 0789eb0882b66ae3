"""How a batch stands or ended, and its results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import typer

from mediaposter.cli.api import Api
from mediaposter.cli.client import Document
from mediaposter.cli.console import count_of, write_note
from mediaposter.cli.files import choose_path, fetch
from mediaposter.cli.replies import BatchView

_FAILED = 1


def end_batch(api: Api, body: Document, *, output: Path | None, is_forced: bool, refused_before: int = 0) -> None:
    """Write how a batch ended, and fetch its results; a row that failed is exit status 1.

    Args:
        api: to its stack.
        body: the batch.
        output: where the results go; None says how to fetch them.
        is_forced: whether they may replace a file.
        refused_before: how many wrong rows the caller left out knowingly.
    """
    batch = BatchView.model_validate(body)
    if api.as_json and api.context.info_name != "watch":
        api.write_json(body)
    elif not api.as_json:
        for line in describe_batch(batch):
            api.say(line)
    if output is not None and batch.status != "failed":
        write_note(f"Saved {fetch_batch_results(api, batch.id, output, is_forced=is_forced)}.")
    elif batch.status != "failed":
        write_note(f"Fetch the results with:  mediaposter batch results {batch.id}")
    counts = batch.request_counts
    if batch.status != "completed" or counts.failed or counts.refused > refused_before:
        raise typer.Exit(_FAILED)


def fetch_batch_results(api: Api, batch_id: str, output: Path | None, *, is_forced: bool) -> str:
    """Fetch what became of each row, as JSON Lines if the name of the file says so, else as CSV. Say where it is."""
    path = choose_path(output, f"{batch_id}.csv", is_forced=is_forced)
    results_format = "jsonl" if path.suffix.lower() in {".jsonl", ".ndjson"} else "csv"
    return fetch(api.client, f"/batches/{batch_id}/results", {"format": results_format}, path)


def describe_batch(batch: BatchView) -> Iterator[str]:
    """Write how a batch stands."""
    counts = batch.request_counts
    # Where a provider reports no cost, the sum has the catalog's price.
    cost = f" Cost: about ${batch.cost_usd}." if batch.cost_usd and batch.cost_usd != "0" else ""
    yield f"{batch.id} is {batch.status}.{cost}"
    if batch.error is not None:
        yield f"  {batch.error.message}"
    named = {
        "done": counts.completed,
        "being made": counts.in_progress,
        "waiting": counts.queued,
        "failed": counts.failed,
        "refused": counts.refused,
    }
    parts = [f"{number} {name}" for name, number in named.items() if number]
    if counts.total:
        yield f"  {count_of(counts.total, 'row')}: {', '.join(parts)}."

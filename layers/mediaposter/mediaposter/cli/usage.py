"""`mediaposter usage`: what was spent, and what is left of the day and the month."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from mediaposter.cli.api import Api, api_command
from mediaposter.cli.console import count_of, create_table, write_table
from mediaposter.cli.options import create_group
from mediaposter.cli.replies import MonthView, UsageView

app = create_group("What was spent.")


def read_day(text: str) -> str:
    """Parse a day.

    Raises:
        ValueError: it is none.
    """
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise ValueError("a day is written as 2026-11-30") from error


@api_command(app, "usage")
def show_usage(
    api: Api,
    *,
    since: Annotated[
        str | None, typer.Option("--since", parser=read_day, metavar="DAY", help="Default: 30 days ago.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", parser=read_day, metavar="DAY", help="Default: today.")
    ] = None,
    owner: Annotated[str | None, typer.Option("--owner", metavar="OWNER", help="For admins: whose.")] = None,
) -> None:
    """Show what was spent by day and model, and what is left of the budgets."""
    asked = {"since": since, "until": until, "owner": owner}
    answer = api.client.get("/usage", {name: value for name, value in asked.items() if value is not None})
    if api.as_json:
        api.write_json(answer.body)
        return
    usage = UsageView.model_validate(answer.body)
    api.say(f"Today ({usage.today}, UTC): {_describe(usage)}.")
    if usage.month is not None:
        api.say(f"This month ({usage.month.month}, UTC): {_describe(usage.month)}.")
    if usage.promised_usd not in {"", "0"}:
        api.say(f"${usage.promised_usd} is reserved for videos that are not done.")
    if not usage.days:
        return
    has_captions = any(day.captions for day in usage.days)
    table = create_table("day", "model", "videos", *(["captions"] if has_captions else []), "cost")
    for day in usage.days:
        captions = [str(day.captions)] if has_captions else []
        table.add_row(day.day, day.model, str(day.videos), *captions, f"${day.cost_usd}")
    write_table(table)


def _describe(usage: UsageView | MonthView) -> str:
    spent = f"{count_of(usage.videos, 'video')}, ${usage.spent_usd} spent"
    if usage.limit_usd:
        spent += f", of ${usage.limit_usd}; ${usage.left_usd} is left until {usage.renews_at}"
    if usage.stack_limit_usd:
        spent += f"; all keys together have ${usage.stack_left_usd} left of ${usage.stack_limit_usd}"
    return spent

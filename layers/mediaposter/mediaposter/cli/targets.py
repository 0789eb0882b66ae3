"""Read `--publish`: `instagram:807`, with fields of the network behind it, or a target as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from pydantic import JsonValue

NEXT_FREE = "next"
# Those of publishing/targets.py, which takes a quarter of a second to import; a test compares them.
PLATFORMS = (*("twitter", "instagram", "facebook", "linkedin", "tiktok", "youtube", "pinterest", "threads", "bluesky"),)
_OTHER_NAMES = {"x": "twitter"}


class Target(NamedTuple):
    """Where a video is to be posted; without an account it is only a network, whose accounts are to be listed."""

    platform: str
    account_id: str
    fields: dict[str, JsonValue]


def read_target(text: str) -> Target:
    """Parse a target: `instagram:807`, `tiktok:904,privacy_level=SELF_ONLY`, `instagram`, or a JSON object.

    Raises:
        ValueError: it is none, or names no network that is known.
    """
    if text.lstrip().startswith("{"):
        return _read_json(text)
    account, *rest = re.split(r",(?=[a-z_]+=)", text)
    platform, _, account_id = account.strip().partition(":")
    fields: dict[str, JsonValue] = {}
    for pair in rest:
        name, _, value = pair.partition("=")
        fields[name] = _read_value(value)
    return _check(Target(platform.strip().lower(), account_id.strip(), fields))


def read_time(text: str) -> str:
    """Parse when to post: a time, by the clock of this machine unless it has a zone, or `next`.

    Raises:
        ValueError: it is neither.
    """
    if text.strip().lower() == NEXT_FREE:
        return NEXT_FREE
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ValueError("a time is written as 2026-12-24T18:00, or next for the next free slot") from error
    if moment.tzinfo is None:
        moment = moment.astimezone()
    return moment.isoformat()


def write_targets(targets: Sequence[Target], *, time: str | None, title: str | None) -> list[JsonValue]:
    """Write targets as a request has them; what a target says itself wins over `time` and `title`."""
    written: list[JsonValue] = []
    for target in targets:
        fields: dict[str, JsonValue] = {"platform": target.platform, "account_id": target.account_id}
        if time is not None:
            fields |= {"next_free_slot": True} if time == NEXT_FREE else {"scheduled_time": time}
        if title is not None and target.platform == "youtube":
            fields["title"] = title
        written.append({**fields, **target.fields})
    return written


def _read_json(text: str) -> Target:
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise ValueError(f"a target that begins with {{ is JSON, and this is not: {error}") from error
    platform, account_id = fields.pop("platform", ""), fields.pop("account_id", "")
    return _check(Target(str(platform), str(account_id), fields))


def _check(target: Target) -> Target:
    platform = _OTHER_NAMES.get(target.platform, target.platform)
    if platform not in PLATFORMS:
        raise ValueError(f"{platform or 'it'} is no network; those known are {', '.join(PLATFORMS)}")
    return target._replace(platform=platform)


def _read_value(text: str) -> JsonValue:
    """Read the words that are not text in JSON; numbers stay text, since ids are."""
    if text in {"true", "false"}:
        return text == "true"
    if text.startswith(("[", "{")):
        try:
            value: JsonValue = json.loads(text)
        except ValueError:
            return text
        return value
    return text

"""What `mediaposter up` prints when it has started: plain lines, to be read at 80 columns and copied."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mediaposter.ai.provider_accounts import PROVIDER_ACCOUNTS
from mediaposter.cli.studio import write_studio_url
from mediaposter.domain.errors import InvalidRequest
from mediaposter.host.environment import HostEnvironment

if TYPE_CHECKING:
    from mediaposter.ai.catalog import Catalog
    from mediaposter.config import Settings

ENV_FILE = Path(".env")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 (what a person typed)
_PROMPT = "A paper boat on a rainy street"
# The model of a request that names none.
_DEFAULT_MODEL = "sora-2"


def describe_start(
    *,
    base_url: str,
    key: str,
    folder: Path,
    env_file: Path | None,
    environment: HostEnvironment,
    catalog: Catalog,
    settings: Settings,
    address: str,
    resumed: int,
    is_usual_folder: bool = True,
) -> list[str]:
    """Describe a host that has started.

    Args:
        base_url: of its API.
        key: of its owner.
        folder: with its data.
        env_file: that was read; None if there is none.
        environment: its keys.
        catalog: its models.
        settings: of its stack.
        address: where it listens, as it was typed.
        resumed: how many executions go on.
        is_usual_folder: whether commands find this host without being told its folder.
    """
    return [
        "MediaPoster is up.",
        "",
        *_describe_place(base_url, key, folder=folder, env_file=env_file),
        "",
        *_describe_accounts(environment, catalog, settings),
        "",
        *_show_first_steps(base_url, key, data=None if is_usual_folder else folder),
        "",
        *_warn_of_network(address),
        *([f"Unfinished videos and batches that go on now: {resumed}", ""] if resumed else []),
        "Ctrl-C stops it.",
    ]


def _describe_place(base_url: str, key: str, *, folder: Path, env_file: Path | None) -> list[str]:
    keys = f"{env_file}, and the environment" if env_file else f"the environment; there is no {ENV_FILE.resolve()}"
    return [
        f"  studio    {write_studio_url(base_url, key)}",
        f"  base URL  {base_url}",
        f"  API key   {key}",
        f"  data      {folder}, with the log in log/host.log",
        f"  settings  {keys}",
    ]


def _describe_accounts(environment: HostEnvironment, catalog: Catalog, settings: Settings) -> list[str]:
    """Tell which providers are offered and which variable opens the others, where `sora-2` leads, and about posts."""
    offered = {"sandbox": "draws a clip itself, for nothing: no key needed"}
    for account in PROVIDER_ACCOUNTS:
        note = f"; {account.note}" if account.note else ""
        if environment.find_key(account.name) is None:
            offered[account.name] = f"no {account.opened_by}: not offered ({account.variables[0]}{note})"
        else:
            offered[account.name] = f"your {account.opened_by}{note}"
    lines = [f"  {name:<9} {state}" for name, state in offered.items()]
    told = ", ".join(settings.approval_channels)
    people = [f"  approval  is asked for by {told}"] if told else []
    return [
        *lines,
        *_describe_posts(environment, settings),
        *people,
        f"  captions  {_describe_captions(environment, settings)}",
        f"  {_DEFAULT_MODEL:<9} {_describe_default(catalog)}",
    ]


def _describe_default(catalog: Catalog) -> str:
    try:
        entry = catalog.resolve(_DEFAULT_MODEL, today=datetime.now(UTC).date()).entry
    except InvalidRequest as error:
        return f"is refused: {error}"
    return f"leads to {entry.name} of {entry.provider}"


def _describe_posts(environment: HostEnvironment, settings: Settings) -> list[str]:
    if environment.blotato_api_key is None:
        return ["  blotato   no key: posts are pretended, nothing is public (BLOTATO_API_KEY)"]
    when = "after your approval" if settings.is_approval_default else "at once, without approval"
    return [f"  blotato   your key: POSTS ARE REAL AND PUBLIC, {when}"]


def _describe_captions(environment: HostEnvironment, settings: Settings) -> str:
    if environment.captions_api_key is None:
        return "no key: a caption is the text of its request (CAPTIONS_API_KEY)"
    if not settings.captions_model:
        return "no model: a caption is the text of its request (CAPTIONS_MODEL)"
    return f"can be written by {settings.captions_model}"


def _show_first_steps(base_url: str, key: str, *, data: Path | None) -> list[str]:
    """Show a command and a request for a shell, each on one line to be copied, and the same in Python."""
    where = f" --data {shlex.quote(str(data))}" if data else ""
    headers = f"-H 'Authorization: Bearer {key}' -H 'Content-Type: application/json'"
    return [
        f'mediaposter generate "{_PROMPT}" --output boat.mp4{where}',
        "",
        f"curl {base_url}/videos {headers} -d '{json.dumps({'prompt': _PROMPT})}'",
        "",
        "from openai import OpenAI",
        "",
        f'client = OpenAI(base_url="{base_url}", api_key="{key}")',
        f'video = client.videos.create_and_poll(prompt="{_PROMPT}")',
        'client.videos.download_content(video.id).write_to_file("boat.mp4")',
    ]


def _warn_of_network(address: str) -> list[str]:
    if address in _LOOPBACK:
        return []
    lines = [
        "WARNING: other machines can reach this port. Each request needs a key, but",
        "nothing is encrypted. Who reads the traffic has the key and the videos, so use",
        "it only in a network that you trust.",
    ]
    if address in _EVERY_ADDRESS:
        lines += [
            "Links to files work on this machine only: name its own address instead of",
            f"{address}.",
        ]
    return [*lines, ""]

"""Keep the tables of docs/publishing.md as networks.py has them: `python -m checks.networks --write` writes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from checks.command import compare, keep
from mediaposter.publishing.networks import NETWORKS, Network, TextRule, VideoLimits

DOCUMENT = "docs/publishing.md"


def write_tables(root: Path) -> dict[str, str]:
    """Give the document with its tables as they should be; they stand between comments."""
    text = (root / DOCUMENT).read_text(encoding="utf-8")
    for name, table in (("posts", _list_posts()), ("texts", _list_texts())):
        before, begin, rest = text.partition(f"<!-- {name}: written by checks.networks -->\n\n")
        _, end, after = rest.partition("\n\n<!-- end -->")
        text = f"{before}{begin}{table}{end}{after}"
    return {DOCUMENT: text}


def check_networks(root: Path) -> Iterator[str]:
    """Find a table of the document that says something else than the checks of posts do."""
    return compare(root, write_tables(root), "python -m checks.networks --write")


def _list_posts() -> str:
    rows = [(name, _describe_caption(network), *_describe_video(network.video)) for name, network in NETWORKS.items()]
    return _join([("network", "caption", "video", "shape", "bytes"), *rows])


def _list_texts() -> str:
    fields = dict.fromkeys(field for network in NETWORKS.values() for field in network.texts if field != "text")
    rows = [
        (f"`{field}`", name, _describe_text(network.texts[field]))
        for field in fields
        for name, network in NETWORKS.items()
        if field in network.texts
    ]
    return _join([("field", "network", "limit"), *rows])


def _join(rows: Sequence[Sequence[str]]) -> str:
    header, *others = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *others))


def _describe_caption(network: Network) -> str:
    if "text" not in network.texts:
        return "none"
    counted = (
        (network.hashtags_max, "hashtags"),
        (network.mentions_max, "mentions"),
        (network.links_max, "links"),
    )
    return ", ".join([_describe_text(network.texts["text"]), *(f"{most} {what}" for most, what in counted if most)])


def _describe_text(rule: TextRule) -> str:
    limits = " and ".join(
        f"{most:,} {unit.name}{' as X weighs them' if unit.explanation else ''}" for most, unit in rule.limits
    )
    # A limit without a column is written below the table.
    refused = [f"`{character}`" for character in rule.refused if character.isascii()]
    return f"{limits}, no {' or '.join(refused)}" if refused else limits


def _describe_video(limits: VideoLimits) -> tuple[str, str, str]:
    longest = _write_seconds(limits.seconds_max)
    seconds = f"{limits.seconds_min} s to {longest}" if limits.seconds_min else f"up to {longest}"
    shape = (
        "9:16" if limits.is_upright else f"up to {limits.width_max}x{limits.height_max}" if limits.width_max else "any"
    )
    megabytes = limits.bytes_max // 1_000_000
    return seconds, shape, f"{megabytes} MB" if megabytes < 1000 else f"{megabytes // 1000} GB"


def _write_seconds(seconds: int) -> str:
    return f"{seconds // 60} min" if seconds >= 180 else f"{seconds} s"


if __name__ == "__main__":
    keep(write_tables, check_networks)

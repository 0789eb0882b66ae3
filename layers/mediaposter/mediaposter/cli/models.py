"""`mediaposter models`: list the models, and check your own catalog."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, TypeAdapter

from mediaposter.ai.catalog import (
    Capabilities,
    Catalog,
    CatalogEntry,
    built_in_catalog,
    built_in_catalog_text,
    parse_catalog,
)
from mediaposter.cli.arguments import CommandParser, add_stack_arguments
from mediaposter.cli.console import create_table, open_console
from mediaposter.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from mediaposter.cli.deployed_stack import OpenStack


class ModelLine(BaseModel):
    """A model in the output of `models --json`."""

    model_config = ConfigDict(frozen=True)

    name: str
    aliases: tuple[str, ...]
    provider: str
    seconds: tuple[int, ...]
    sizes: tuple[str, ...]
    price_usd_per_second: dict[str, Decimal]
    can: tuple[str, ...]
    retires_on: date | None
    replaced_by: str | None


_MODEL_LINES = TypeAdapter(list[ModelLine])


def run(argv: Sequence[str], *, open_stack: OpenStack, clock: Callable[[], datetime]) -> None:
    """Run a command of this group.

    Raises:
        ConfigurationError: the catalog is wrong, or the stack cannot be reached.
    """
    arguments = _create_parser().parse_args(argv)
    if arguments.command == "check":
        _check(arguments.file)
        return
    catalog = built_in_catalog()
    if arguments.stack:
        catalog = open_stack(arguments.stack, endpoint_url=arguments.endpoint_url).read_catalog()
    if arguments.json:
        _write_json(catalog)
    else:
        _write_table(catalog, clock().date())


def _create_parser() -> CommandParser:
    parser = CommandParser(prog="mediaposter models", description="The models of this package, or those of a stack.")
    parser.add_argument("--json", action="store_true", help="write JSON")
    add_stack_arguments(
        parser, default=None, purpose="a stack whose aliases and catalog to include (default: none; no AWS is needed)"
    )
    commands = parser.add_subparsers(dest="command", metavar="[check]")
    check = commands.add_parser("check", help="check a file that extends the catalog, before a stack reads it")
    check.add_argument("file", type=Path, metavar="FILE", help="the file, TOML")
    return parser


def _check(path: Path) -> None:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8.") from error
    parse_catalog(text, extending=built_in_catalog_text())
    open_console().print("ok")


def _write_json(catalog: Catalog) -> None:
    lines = [
        ModelLine(
            name=entry.name,
            aliases=_list_aliases(catalog, entry),
            provider=entry.provider,
            seconds=entry.durations_seconds,
            sizes=entry.sizes,
            price_usd_per_second=entry.price_usd_per_second,
            can=_list_abilities(entry.capabilities),
            retires_on=entry.retires_on,
            replaced_by=entry.replaced_by,
        )
        for entry in catalog.models.values()
    ]
    sys.stdout.write(_MODEL_LINES.dump_json(lines, indent=2).decode() + "\n")


def _write_table(catalog: Catalog, today: date) -> None:
    table = create_table("model", "provider", "seconds", "sizes", "$ a second", "can")
    for entry in catalog.models.values():
        table.add_row(
            "\n".join([entry.name, *_list_remarks(catalog, entry, today)]),
            entry.provider,
            _write_seconds(entry.durations_seconds),
            _write_sizes(entry),
            _write_prices(entry.price_usd_per_second),
            ", ".join(_list_abilities(entry.capabilities)),
        )
    open_console().print(table)


def _list_remarks(catalog: Catalog, entry: CatalogEntry, today: date) -> list[str]:
    remarks = [f"  = {alias}" for alias in _list_aliases(catalog, entry)]
    if entry.name in catalog.aliases:
        remarks.append(f"  the name leads to {catalog.aliases[entry.name]}")
    if entry.retires_on:
        instead = f", then {entry.replaced_by}" if entry.replaced_by else ""
        remarks.append(f"  {'retired' if entry.is_retired(today) else 'until'} {entry.retires_on}{instead}")
    return remarks


def _list_aliases(catalog: Catalog, entry: CatalogEntry) -> tuple[str, ...]:
    return tuple(alias for alias, name in catalog.aliases.items() if name == entry.name != alias)


def _list_abilities(capabilities: Capabilities) -> tuple[str, ...]:
    offered = tuple(name for name, value in capabilities if value is True)
    return (*capabilities.image_roles, *offered)


def _write_seconds(seconds: tuple[int, ...]) -> str:
    first, last = seconds[0], seconds[-1]
    if len(seconds) > 2 and seconds == tuple(range(first, last + 1)):
        return f"{first}-{last}"
    return " ".join(map(str, seconds))


def _write_sizes(entry: CatalogEntry) -> str:
    if entry.aspect_ratios and entry.resolutions:
        return f"{' '.join(entry.aspect_ratios)} in {' '.join(entry.resolutions)}"
    return " ".join(entry.sizes)


def _write_prices(prices: dict[str, Decimal]) -> str:
    return ", ".join(f"{side}p {price}" for side, price in prices.items())

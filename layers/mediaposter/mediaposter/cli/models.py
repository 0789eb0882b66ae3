"""`mediaposter models`: list the models, and check your own catalog."""

from __future__ import annotations

import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, ConfigDict, TypeAdapter

from mediaposter.ai.catalog import (
    Capabilities,
    Catalog,
    CatalogEntry,
    built_in_catalog,
    built_in_catalog_text,
    parse_catalog,
)
from mediaposter.cli.console import create_table, open_console, write_note, write_table
from mediaposter.cli.options import AsJson, EndpointUrl, create_group
from mediaposter.cli.session import find_session
from mediaposter.domain.errors import ConfigurationError

app = create_group("The models: those of this package, or those of a stack.", invoke_without_command=True)


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


# What the widest rows need.
_COLUMNS_OF_ALL = 200

_MODEL_LINES = TypeAdapter(list[ModelLine])


@app.callback()
def list_models(
    context: typer.Context,
    as_json: AsJson = False,
    stack: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="A stack, whose aliases and catalog count too. Default: none; no AWS is needed."
        ),
    ] = None,
    endpoint_url: EndpointUrl = None,
) -> None:
    """Show which models there are: those of this package, or those of a stack."""
    if context.invoked_subcommand:
        return
    session = find_session(context)
    catalog = built_in_catalog()
    if stack:
        with session.stack(stack, endpoint_url) as opened:
            catalog = opened.read_catalog()
    if as_json:
        _write_json(catalog)
    else:
        _write_table(catalog, session.clock().date())


@app.command("check")
def check_catalog(file: Annotated[Path, typer.Argument(metavar="FILE", help="The file, TOML.")]) -> None:
    """Check a file that extends the catalog, before a stack reads it."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file} is not UTF-8.") from error
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
    console = open_console()
    if console.is_terminal and console.width < _COLUMNS_OF_ALL:
        _write_narrow_table(catalog, today)
        return
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
    console.print(table)


def _write_narrow_table(catalog: Catalog, today: date) -> None:
    """Write what fits into 80 columns."""
    table = create_table("model", "provider", "seconds", "$ a second")
    for entry in catalog.models.values():
        remarks = [remark.replace("the name leads", "leads") for remark in _list_remarks(catalog, entry, today)]
        seconds, prices = _write_seconds(entry.durations_seconds), _write_prices(entry.price_usd_per_second)
        table.add_row("\n".join([entry.name, *remarks]), entry.provider, seconds, prices)
    write_table(table)
    write_note("Sizes, and what each can: mediaposter models --json, or a wider window.")


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

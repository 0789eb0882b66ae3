"""`mediaposter models`: list the models that a stack offers, and check your own catalog."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, ConfigDict, TypeAdapter

from mediaposter.ai.catalog import Capabilities, Catalog, built_in_catalog, built_in_catalog_text, parse_catalog
from mediaposter.cli.address import KEY_VARIABLE, NoStackFound, Place
from mediaposter.cli.console import create_table, open_console, write_note, write_table
from mediaposter.cli.options import AsJson, EndpointUrl, create_group
from mediaposter.cli.replies import ModelView, Page
from mediaposter.cli.session import Session, find_session
from mediaposter.domain.errors import ConfigurationError

app = create_group("The models: those that a stack offers, or those of this package.", invoke_without_command=True)


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
    # Another model that the name leads to.
    leads_to: str | None = None


# What the widest rows need.
_COLUMNS_OF_ALL = 200
# More sizes than this are written as shapes and resolutions.
_SIZES_NAMED_MAX = 6
_SHAPES = {
    f"{wide}:{high}": wide / high
    for one, other in ((21, 9), (16, 9), (3, 2), (4, 3), (5, 4), (1, 1))
    for wide, high in ((one, other), (other, one))
}
_MODEL_LINES = TypeAdapter(list[ModelLine])


@app.callback()
def list_models(
    context: typer.Context,
    *,
    as_json: AsJson = False,
    built_in: Annotated[
        bool, typer.Option("--built-in", help="Those of this package, whether a stack offers them or not.")
    ] = False,
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="The base URL of the API.")] = None,
    key: Annotated[str | None, typer.Option("--key", metavar="KEY", help="Its API key.")] = None,
    stack: Annotated[
        str | None,
        typer.Option("--stack", metavar="NAME", help="A stack of your AWS account; without a key, its whole catalog."),
    ] = None,
    endpoint_url: EndpointUrl = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="The data folder of a mediaposter up that runs.")
    ] = None,
) -> None:
    """Show which models a stack offers; without a stack, those of this package."""
    if context.invoked_subcommand:
        return
    session = find_session(context)
    lines = (
        describe_catalog(built_in_catalog())
        if built_in
        else _find_lines(session, Place(url=url, key=key, stack=stack, endpoint_url=endpoint_url, data=data))
    )
    if as_json:
        sys.stdout.write(_MODEL_LINES.dump_json(lines, indent=2, exclude={"__all__": {"leads_to"}}).decode() + "\n")
    else:
        _write_table(lines, session.clock().date())


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


def describe_catalog(catalog: Catalog) -> list[ModelLine]:
    """Describe all models of a catalog."""
    return [
        ModelLine(
            name=entry.name,
            aliases=tuple(alias for alias, name in catalog.aliases.items() if name == entry.name != alias),
            provider=entry.provider,
            seconds=entry.durations_seconds,
            sizes=entry.sizes,
            price_usd_per_second=entry.price_usd_per_second,
            can=_list_abilities(entry.capabilities),
            retires_on=entry.retires_on,
            replaced_by=entry.replaced_by,
            leads_to=catalog.aliases.get(entry.name),
        )
        for entry in catalog.models.values()
    ]


def _find_lines(session: Session, place: Place) -> list[ModelLine]:
    """Ask the stack that is found; one on AWS without a key has a catalog, too.

    Raises:
        ConfigurationError: the stack that was named cannot be asked.
        Refusal: it refuses the key.
    """
    if place.stack and not (place.key or session.environ().get(KEY_VARIABLE)):
        with session.stack(place.stack, place.endpoint_url) as opened:
            return describe_catalog(opened.read_catalog())
    try:
        address = session.find_address(place)
    except NoStackFound:
        write_note("No stack was found: these are the models of this package.")
        return describe_catalog(built_in_catalog())
    write_note(f"On {address.base_url} ({address.found_by}).")
    models = Page[ModelView].model_validate(session.open_client(address).get("/models").body).data
    return [
        ModelLine(
            name=model.id,
            aliases=tuple(other.id for other in models if other.alias_of == model.id),
            provider=model.owned_by,
            seconds=model.seconds,
            sizes=model.sizes,
            price_usd_per_second=model.price_usd_per_second,
            can=model.can,
            retires_on=model.retires_on,
            replaced_by=model.replaced_by,
        )
        for model in models
        if model.alias_of is None
    ]


def _list_abilities(capabilities: Capabilities) -> tuple[str, ...]:
    offered = tuple(name for name, value in capabilities if value is True)
    return (*capabilities.image_roles, *offered)


def _write_table(lines: Sequence[ModelLine], today: date) -> None:
    console = open_console()
    if console.is_terminal and console.width < _COLUMNS_OF_ALL:
        _write_narrow_table(lines, today)
        return
    table = create_table("model", "provider", "seconds", "sizes", "$ a second", "can")
    for line in lines:
        table.add_row(
            "\n".join([line.name, *_list_remarks(line, today)]),
            line.provider,
            _write_seconds(line.seconds),
            _write_sizes(line.sizes),
            _write_prices(line.price_usd_per_second),
            ", ".join(line.can),
        )
    write_table(table)


def _write_narrow_table(lines: Sequence[ModelLine], today: date) -> None:
    """Write what fits into 80 columns."""
    table = create_table("model", "provider", "seconds", "$ a second")
    for line in lines:
        remarks = [remark.replace("the name leads", "leads") for remark in _list_remarks(line, today)]
        seconds, prices = _write_seconds(line.seconds), _write_prices(line.price_usd_per_second)
        table.add_row("\n".join([line.name, *remarks]), line.provider, seconds, prices)
    write_table(table)
    write_note("Sizes, and what each can: mediaposter models --json, or a wider window.")


def _list_remarks(line: ModelLine, today: date) -> list[str]:
    remarks = [f"  = {alias}" for alias in line.aliases]
    if line.leads_to:
        remarks.append(f"  the name leads to {line.leads_to}")
    if line.retires_on:
        instead = f", then {line.replaced_by}" if line.replaced_by else ""
        remarks.append(f"  {'retired' if line.retires_on <= today else 'until'} {line.retires_on}{instead}")
    return remarks


def _write_seconds(seconds: Sequence[int]) -> str:
    if len(seconds) > 2 and tuple(seconds) == tuple(range(seconds[0], seconds[-1] + 1)):
        return f"{seconds[0]}-{seconds[-1]}"
    return " ".join(map(str, seconds))


def _write_sizes(sizes: Sequence[str]) -> str:
    """Write sizes; where each shape is made in each resolution, shapes and resolutions."""
    pairs = [(int(width), int(height)) for width, height in (size.split("x") for size in sizes)]
    shapes = list(dict.fromkeys(_name_shape(width / height) for width, height in pairs))
    sides = list(dict.fromkeys(f"{min(pair)}p" for pair in pairs))
    if len(sizes) > _SIZES_NAMED_MAX and len(shapes) * len(sides) == len(sizes):
        return f"{' '.join(shapes)} in {' '.join(sides)}"
    return " ".join(sizes)


def _name_shape(ratio: float) -> str:
    """Name the nearest of the usual shapes: whole pixels are seldom exact."""
    return min(_SHAPES, key=lambda shape: abs(math.log(_SHAPES[shape] / ratio)))


def _write_prices(prices: dict[str, Decimal]) -> str:
    return ", ".join(f"{side}p {price}" for side, price in prices.items())

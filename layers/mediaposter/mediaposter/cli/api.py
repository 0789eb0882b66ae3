"""Commands over HTTP: their shared options, and what each is given."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated

import typer
from pydantic import JsonValue, ValidationError

from mediaposter.cli.address import Place
from mediaposter.cli.client import Client
from mediaposter.cli.console import open_console, write_note
from mediaposter.cli.session import Session, find_session
from mediaposter.domain.errors import ConfigurationError

_OPTIONS: dict[str, object] = {
    "url": Annotated[str | None, typer.Option("--url", metavar="URL", help="The base URL of the API.")],
    "key": Annotated[str | None, typer.Option("--key", metavar="KEY", help="Its API key.")],
    "stack": Annotated[str | None, typer.Option("--stack", metavar="NAME", help="A stack of your AWS account.")],
    "endpoint_url": Annotated[
        str | None,
        typer.Option("--endpoint-url", metavar="URL", help="Where AWS is, for the local cloud.", hidden=True),
    ],
    "data": Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="The data folder of a mediaposter up that runs.")
    ],
}
_AS_JSON = Annotated[bool, typer.Option("--json", help="Write JSON to stdout, and nothing else there.")]


@dataclass(frozen=True)
class Api:
    """What a command over HTTP works with."""

    context: typer.Context
    session: Session
    place: Place
    client: Client
    as_json: bool

    def say(self, text: str) -> None:
        """Write a result; with --json it is a note, since stdout has JSON alone."""
        if self.as_json:
            write_note(text)
        else:
            open_console().print(text)

    def write_json(self, value: JsonValue) -> None:
        """Write one JSON document, as the API gave it."""
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def write_json_line(self, value: JsonValue) -> None:
        """Write one line of JSON, at once."""
        sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
        sys.stdout.flush()


def connect(context: typer.Context, place: Place, *, as_json: bool, needs_key: bool = True) -> Api:
    """Find the stack of a command, say which it is, and make a client of it.

    Raises:
        ConfigurationError: none was found.
    """
    session = find_session(context)
    address = session.find_address(place, needs_key=needs_key)
    write_note(f"On {address.base_url} ({address.found_by}).")
    return Api(context, session, place, session.open_client(address), as_json)


def api_command(
    app: typer.Typer, name: str, *, needs_key: bool = True
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a command over HTTP: its function gets an `Api`, and the shared options are added to its own."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters = [
            inspect.Parameter("context", keyword, annotation=typer.Context),
            *(parameter.replace(kind=keyword) for parameter in own),
            inspect.Parameter("as_json", keyword, default=False, annotation=_AS_JSON),
            *(inspect.Parameter(option, keyword, default=None, annotation=kind) for option, kind in _OPTIONS.items()),
        ]

        @wraps(function)
        def run(*, context: typer.Context, as_json: bool, **given: object) -> None:
            place = Place(**{option: given.pop(option) for option in _OPTIONS})  # type: ignore[arg-type]
            api = connect(context, place, as_json=as_json, needs_key=needs_key)
            try:
                function(api, **given)
            except ValidationError as error:
                raise ConfigurationError(
                    f"{api.client.address.base_url} answered what this version does not understand "
                    f"({error.title}: {error.errors()[0]['msg']}). Check the address, or update mediaposter."
                ) from error

        # Typer reads a command's options from both.
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        app.command(name)(run)
        return function

    return register

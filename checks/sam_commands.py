"""Parse commands of SAM CLI with its own parser: run by the Python of `.tools/sam`, which has SAM CLI.

Standard input is a JSON list of argument lists, without `sam`. Standard output is a list of the same length: what is
wrong with each, or "", and the parameters that SAM CLI would hand to CloudFormation.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from samcli.cli.main import cli  # type: ignore[import-not-found]  # it is in .tools/sam alone

# SAM CLI imports a command when its context has an object.
_LOADS = True


def main() -> None:
    """Parse them all."""
    results = [_parse(arguments) for arguments in json.load(sys.stdin)]
    json.dump(results, sys.stdout)


def _parse(arguments: list[str]) -> dict[str, Any]:
    command: click.Command = cli
    context = click.Context(cli, obj=_LOADS)
    words = list(arguments)
    while isinstance(command, click.Group):
        name = words.pop(0) if words else ""
        found = command.get_command(context, name)
        if found is None:
            return {"error": f"SAM CLI has no command {name}", "parameters": {}}
        command = found
    try:
        values, _, _ = command.make_parser(context).parse_args(words)
        parameters: dict[str, str] = {}
        for option in command.params:
            value = values.get(option.name)
            if value is None:
                continue
            given = option.type_cast_value(context, value) if option.name == "parameter_overrides" else None
            for each in given if isinstance(given, (list, tuple)) else [given]:
                parameters.update(each or {})
    except click.ClickException as error:
        return {"error": error.format_message(), "parameters": {}}
    return {"error": "", "parameters": parameters}


if __name__ == "__main__":
    main()

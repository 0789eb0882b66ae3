"""The `.env` file: settings and keys that the environment does not have. No Lambda reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mediaposter.domain.errors import ConfigurationError


def read_variables(env_file: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a `.env` file and of the environment, which wins.

    A file that is missing is empty, and a variable without a value is as if it were not set. A value is taken as it is:
    `$` and `${…}` in a key are no references.

    Raises:
        ConfigurationError: the file is there and cannot be read.
    """
    # A Lambda has neither the file nor this library.
    from dotenv import dotenv_values

    try:
        text = dotenv_values(env_file, interpolate=False, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{env_file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{env_file} is not UTF-8. Save it as UTF-8.") from error
    return {name: value for source in (text, environment) for name, value in source.items() if value}


def find_variable(*names: str) -> str | None:
    """Find the first of some variables that is set, in the environment or in `.env` of the working directory.

    This is for scripts and notebooks, which build models and clients by themselves.
    """
    variables = os.environ
    found = next((value for name in names if (value := variables.get(name, "").strip())), None)
    env_file = Path(".env")
    if found is not None or not env_file.is_file():
        return found
    from_file = read_variables(env_file, {})
    return next((value for name in names if (value := from_file.get(name, "").strip())), None)

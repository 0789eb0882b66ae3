"""Create a video model by its provider's name; this imports only that provider's file."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from mediaposter.ai.catalog import Catalog, built_in_catalog
from mediaposter.ai.video_model_interface import VideoModelInterface
from mediaposter.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from mediaposter.http.outbound import PublicInternet


def list_providers() -> list[str]:
    """List the providers: one for each file `<provider>_model.py` in this folder."""
    return sorted(path.name.removesuffix("_model.py") for path in Path(__file__).parent.glob("*_model.py"))


def create_video_model(
    name: str = "sora",
    model_variant: str | None = None,
    *,
    api_key: str | None = None,
    base_url: str | None = None,
    catalog: Catalog | None = None,
    internet: PublicInternet | None = None,
) -> VideoModelInterface:
    """Create the model `model_variant` of the provider `name`.

    The defaults come from `<NAME>_API_KEY` and `<NAME>_BASE_URL`, or from the variables of the vendor's own SDK. You
    can omit the address if the vendor has its own server. `internet` limits how long the model's calls take, and lists
    your own servers that videos may come from.

    Raises:
        ConfigurationError: the provider or the variant is unknown, or the key or the address is missing.
    """
    model_class = find_model_class(name)
    entries = [entry for entry in (catalog or built_in_catalog()).models.values() if entry.provider == name]
    entry = next((entry for entry in entries if model_variant in (None, entry.name)), None)
    if entry is None:
        known = ", ".join(entry.name for entry in entries) or "none"
        raise ConfigurationError(f"The provider {name} has no variant {str(model_variant)[:80]!r}. It has: {known}.")
    account = model_class.account or name
    # An adapter need not take `internet` if the caller passes none.
    way = {} if internet is None else {"internet": internet}
    return model_class(
        entry=entry,
        api_key=api_key or _read_setting(account, "API_KEY", default=None if model_class.needs_api_key else ""),
        base_url=base_url or _read_setting(account, "BASE_URL", default=model_class.default_base_url),
        **way,
    )


def find_model_class(name: str) -> type[VideoModelInterface]:
    """Import the adapter of one provider.

    Raises:
        ConfigurationError: there is no such provider, or its file defines no model.
    """
    # Only a name found on disk is imported, never the caller's text.
    if name not in list_providers():
        raise ConfigurationError(f"There is no provider {name[:80]!r}. There are: {', '.join(list_providers())}.")
    module = import_module(f"mediaposter.ai.{name}_model")
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, VideoModelInterface) and vars(value).get("provider") == name:
            return value
    raise ConfigurationError(f"{module.__name__} defines no video model with provider = {name!r}.")


# The variables of the vendors' own SDKs (openai-python, runwayml, fal-client).
_VENDORS_VARIABLES = {
    ("sora", "API_KEY"): "OPENAI_API_KEY",
    ("sora", "BASE_URL"): "OPENAI_BASE_URL",
    ("runway", "API_KEY"): "RUNWAYML_API_SECRET",
    ("fal", "API_KEY"): "FAL_KEY",
}


def _read_setting(name: str, suffix: str, *, default: str | None = None) -> str:
    vendors = _VENDORS_VARIABLES.get((name, suffix))
    variables = [f"{name.upper()}_{suffix}", *([vendors] if vendors else [])]
    for variable in variables:
        if value := os.environ.get(variable):
            return value
    if default is not None:
        return default
    raise ConfigurationError(
        f"The provider {name} needs {' or '.join(variables)} in the environment (or as an argument)."
    )

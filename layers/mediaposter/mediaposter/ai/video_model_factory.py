"""Create a video model by its provider's name; this imports only that provider's file."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from mediaposter.ai.catalog import Catalog, CatalogEntry, built_in_catalog
from mediaposter.ai.video_model_interface import VideoModelInterface
from mediaposter.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from mediaposter.http.outbound import PublicInternet

_NAMES_OF_OPENAI = ("sora-2", "sora-2-pro")
# What `warnings` has said already.
_SAID: dict[str | tuple[str, type[Warning], int], int] = {}


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

    Keys and addresses come from the environment or from `.env`: `<NAME>_API_KEY` and `<NAME>_BASE_URL`, or the
    variables of the vendor's own SDK. You can omit the address if the vendor has its own server. "sora" without an
    address of your own server is made by a model that you have a key for: Gemini's, fal's, Runway's, in this order. It
    adapts lengths and sizes, and warns when it does. `internet` limits how long the model's calls take, and lists your
    own servers that videos may come from.

    Raises:
        ConfigurationError: the provider or the variant is unknown, or the key or the address is missing.
    """
    if name == "sora" and api_key is None and base_url is None and catalog is None and internet is None:
        return _create_by_openais_name(model_variant or _NAMES_OF_OPENAI[0])
    return _create_of_provider(
        name, model_variant, api_key=api_key, base_url=base_url, catalog=catalog, internet=internet
    )


def _create_of_provider(
    name: str,
    model_variant: str | None,
    *,
    api_key: str | None = None,
    base_url: str | None = None,
    catalog: Catalog | None = None,
    internet: PublicInternet | None = None,
) -> VideoModelInterface:
    model_class = find_model_class(name)
    entry = _find_entry(name, model_variant, catalog or built_in_catalog())
    account = model_class.account or name
    # An adapter need not take `internet` if the caller passes none.
    way = {} if internet is None else {"internet": internet}
    return model_class(
        entry=entry,
        api_key=api_key or _read_key(account, is_needed=model_class.needs_api_key),
        base_url=base_url or _read_address(account, default=model_class.default_base_url),
        **way,
    )


def _create_by_openais_name(model_variant: str) -> VideoModelInterface:
    """Create what makes one of OpenAI's names: your own server, or a model that you have a key for."""
    from mediaposter.ai.aliased import AliasedVideoModel
    from mediaposter.ai.provider_accounts import find_account
    from mediaposter.env_file import find_variable

    own_server = _find_own_server()
    if own_server is not None:
        _find_entry("sora", model_variant, built_in_catalog())
        # Your own server may want no key.
        key = find_variable(*find_account("sora").key_variables) or "none"
        return AliasedVideoModel(
            model_variant,
            find_model=cache(lambda name: _create_of_provider("sora", name, api_key=key, base_url=own_server)),
        )
    catalog = _withhold_without_keys(built_in_catalog())
    today = datetime.now(UTC).date()

    def find_model(name: str) -> VideoModelInterface:
        entry = catalog.resolve(name, today=today).entry
        return _create_of_provider(entry.provider, entry.name)

    if model_variant not in _NAMES_OF_OPENAI:
        _find_entry("sora", model_variant, catalog)
    made = AliasedVideoModel(model_variant, find_model=cache(find_model))
    # A fixed place: a loop or a notebook is told once.
    warnings.warn_explicit(
        f"{model_variant} is made by {made.entry.name} of {made.entry.provider}: OpenAI's own server was switched off "
        "on 2026-09-24. Set SORA_BASE_URL for a server of your own.",
        UserWarning,
        __name__,
        1,
        registry=_SAID,
    )
    return made


def _withhold_without_keys(catalog: Catalog) -> Catalog:
    """Let OpenAI's names lead to models that there are keys for.

    Raises:
        ConfigurationError: there is no key at all.
    """
    from mediaposter.ai.provider_accounts import PROVIDER_ACCOUNTS, choose_default_model
    from mediaposter.env_file import find_variable

    opened = {
        provider
        for account in PROVIDER_ACCOUNTS
        if account.name != "sora" and find_variable(*account.variables)
        for provider in account.providers
    }
    default = choose_default_model(catalog, opened, today=datetime.now(UTC).date())
    if default is None:
        names = ", ".join(account.variables[0] for account in PROVIDER_ACCOUNTS)
        raise ConfigurationError(
            f"No video model has a key: OpenAI's own server was switched off on 2026-09-24. Set one of {names} in "
            ".env or in the environment. To try it without a key, run mediaposter up."
        )
    reasons = {
        provider: "it has no key in .env or in the environment."
        for provider in catalog.list_providers()
        if provider not in opened
    }
    return catalog.withhold(reasons, instead=default)


def _find_own_server() -> str | None:
    from mediaposter.ai.provider_accounts import find_account, is_switched_off
    from mediaposter.env_file import find_variable

    for variable in find_account("sora").address_variables:
        address = find_variable(variable)
        if address is not None and not is_switched_off(address):
            return address
    return None


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


def _find_entry(name: str, model_variant: str | None, catalog: Catalog) -> CatalogEntry:
    entries = [entry for entry in catalog.models.values() if entry.provider == name]
    entry = next((entry for entry in entries if model_variant in (None, entry.name)), None)
    if entry is None:
        known = ", ".join(entry.name for entry in entries) or "none"
        raise ConfigurationError(f"The provider {name} has no variant {str(model_variant)[:80]!r}. It has: {known}.")
    return entry


def _read_key(account: str, *, is_needed: bool) -> str:
    from mediaposter.ai.provider_accounts import find_account

    return _read_setting(account, find_account(account).key_variables, default=None if is_needed else "")


def _read_address(account: str, *, default: str | None) -> str:
    from mediaposter.ai.provider_accounts import find_account

    return _read_setting(account, find_account(account).address_variables, default=default)


def _read_setting(account: str, variables: tuple[str, ...], *, default: str | None) -> str:
    from mediaposter.env_file import find_variable

    found = find_variable(*variables) if variables else None
    if found is not None:
        return found
    if default is not None:
        return default
    raise ConfigurationError(
        f"The provider {account} needs {' or '.join(variables)} in the environment or in .env (or as an argument)."
    )

"""The accounts of providers: which variables open them, and which model `sora-2` leads to."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import NamedTuple
from urllib.parse import urlsplit

from mediaposter.ai.catalog import Catalog

# OpenAI's server, which renders no videos since 2026-09-24.
SWITCHED_OFF = "api.openai.com"


class ProviderAccount(NamedTuple):
    """An account with a provider, and the variables that open it.

    `key_variables` hold its key and `address_variables` its address; of each the first that is set counts. An account
    whose `opened_by` is "address" has no server of the vendor's, and its server may need no key. `note` says what else
    a person should know.
    """

    name: str
    providers: tuple[str, ...]
    key_variables: tuple[str, ...]
    address_variables: tuple[str, ...]
    note: str = ""
    opened_by: str = "key"

    @property
    def variables(self) -> tuple[str, ...]:
        """List the variables that open it."""
        return self.key_variables if self.opened_by == "key" else self.address_variables


# In the order in which `sora-2` and its like look for a model.
PROVIDER_ACCOUNTS = (
    ProviderAccount("gemini", ("gemini",), ("GEMINI_API_KEY", "GOOGLE_API_KEY"), ("GEMINI_BASE_URL",)),
    ProviderAccount(
        "fal",
        ("fal", "pika"),
        ("FAL_KEY", "FAL_API_KEY", "PIKA_API_KEY"),
        ("FAL_BASE_URL", "PIKA_BASE_URL"),
        "Pika's models, too",
    ),
    ProviderAccount(
        "runway",
        ("runway",),
        ("RUNWAY_API_KEY", "RUNWAYML_API_SECRET"),
        ("RUNWAY_BASE_URL", "RUNWAYML_BASE_URL"),
    ),
    ProviderAccount("bedrock", ("bedrock",), (), ("BEDROCK_BASE_URL",), "and AWS credentials", "address"),
    ProviderAccount(
        "sora",
        ("sora",),
        ("SORA_API_KEY", "OPENAI_API_KEY"),
        ("SORA_BASE_URL", "OPENAI_BASE_URL"),
        "a server of your own",
        "address",
    ),
)


def find_account(provider: str) -> ProviderAccount:
    """Find the account that a provider is asked with; one that is not listed has variables of its own name."""
    listed = next((account for account in PROVIDER_ACCOUNTS if provider in (account.name, *account.providers)), None)
    prefix = provider.upper()
    return listed or ProviderAccount(provider, (provider,), (f"{prefix}_API_KEY",), (f"{prefix}_BASE_URL",))


def choose_default_model(catalog: Catalog, providers: Collection[str], *, today: date) -> str | None:
    """Choose the model that `sora-2` leads to: the first living one of the first account with a key; None without one.

    Args:
        catalog: the models.
        providers: those with a key.
        today: the date in UTC; a model that is retired by then does not count.
    """
    for account in PROVIDER_ACCOUNTS:
        for provider in account.providers:
            for entry in catalog.models.values():
                if entry.provider == provider and provider in providers and not entry.is_retired(today):
                    return entry.name
    return None


def is_switched_off(address: str) -> bool:
    """Tell whether an address leads to OpenAI's own server."""
    try:
        return urlsplit(address).hostname == SWITCHED_OFF
    except ValueError:
        return False

"""Where this host tells people that a video waits for approval, by its variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaposter.domain.errors import ConfigurationError
from mediaposter.host.mailbox import Mailbox, parse_mailbox
from mediaposter.usecases.scheduled.approval_notices import SLACK_SECRET
from mediaposter.wire.urls import is_own_machine

if TYPE_CHECKING:
    from pydantic import SecretStr

    from mediaposter.domain.channels import Channel
    from mediaposter.host.environment import HostEnvironment


def list_channels(environment: HostEnvironment, *, telegram_chat: str) -> tuple[Channel, ...]:
    """List the channels that the variables open.

    Raises:
        ConfigurationError: one of two variables is missing, or an address is wrong; the sentence names it.
    """
    channels: list[Channel] = []
    slack_url = _reveal(environment.approval_slack_url)
    if slack_url:
        if not slack_url.startswith("https://") and not is_own_machine(slack_url):
            raise ConfigurationError("APPROVAL_SLACK_URL is no https URL. Correct it, and start again.")
        channels.append("slack")
    if _are_both(environment.approval_telegram_token, telegram_chat, "APPROVAL_TELEGRAM_TOKEN APPROVAL_TELEGRAM_CHAT"):
        channels.append("telegram")
    if _are_both(environment.smtp_url, environment.approval_email, "SMTP_URL APPROVAL_EMAIL"):
        open_mailbox(environment)
        channels.append("email")
    return tuple(channels)


def read_approval_secret(environment: HostEnvironment, name: str) -> str:
    """Give the secret of a channel by its name in Parameter Store.

    Raises:
        ConfigurationError: its variable is not set.
    """
    is_slack = name == SLACK_SECRET
    secret = _reveal(environment.approval_slack_url if is_slack else environment.approval_telegram_token)
    if not secret:
        variable = "APPROVAL_SLACK_URL" if is_slack else "APPROVAL_TELEGRAM_TOKEN"
        raise ConfigurationError(f"Set {variable} in .env and start again.")
    return secret


def open_mailbox(environment: HostEnvironment) -> Mailbox:
    """Give the mailbox that e-mails go out by.

    Raises:
        ConfigurationError: a variable is missing, or is no address.
    """
    if environment.smtp_url is None or not environment.approval_email:
        raise ConfigurationError("Set SMTP_URL and APPROVAL_EMAIL in .env and start again.")
    return parse_mailbox(environment.smtp_url.get_secret_value(), environment.approval_email)


def _reveal(secret: SecretStr | None) -> str:
    return "" if secret is None else secret.get_secret_value()


def _are_both(secret: SecretStr | None, other: str | None, names: str) -> bool:
    """Tell whether both variables are set.

    Raises:
        ConfigurationError: only one of them is.
    """
    first, second = names.split()
    if bool(_reveal(secret)) is not bool(other):
        is_set, is_missing = (first, second) if other in (None, "") else (second, first)
        raise ConfigurationError(f"{is_set} needs {is_missing}, too. Set it, and start again.")
    return bool(other)

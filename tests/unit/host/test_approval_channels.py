"""Which variables let a host tell people, and what is wrong with others."""

from __future__ import annotations

import pytest

from mediaposter.domain.errors import ConfigurationError, VideoModelError
from mediaposter.host.approval_channels import open_mailbox, read_approval_secret
from mediaposter.host.environment import read_environment
from mediaposter.host.mailbox import Mailbox, parse_mailbox

SLACK = {"APPROVAL_SLACK_URL": "https://hooks.slack.com/services/T0/B0/s3cret"}
TELEGRAM = {"APPROVAL_TELEGRAM_TOKEN": "7:s3cret", "APPROVAL_TELEGRAM_CHAT": "-100200"}
EMAIL = {"SMTP_URL": "smtps://ann%40kites.example:s3cret@smtp.kites.example", "APPROVAL_EMAIL": "ann@kites.example"}


@pytest.mark.parametrize(
    ("variables", "channels"),
    [
        ({}, ()),
        ({"APPROVAL_CHANNELS": "slack"}, ()),
        (SLACK, ("slack",)),
        ({**SLACK, **TELEGRAM, **EMAIL}, ("slack", "telegram", "email")),
    ],
    ids=["none", "not by name", "slack", "all"],
)
def test_a_channel_is_open_if_its_variables_are_set(variables: dict[str, str], channels: tuple[str, ...]) -> None:
    assert read_environment(variables, None)[1].approval_channels == channels


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"APPROVAL_TELEGRAM_TOKEN": "7:s3cret"}, "APPROVAL_TELEGRAM_TOKEN needs APPROVAL_TELEGRAM_CHAT"),
        ({"APPROVAL_TELEGRAM_CHAT": "1"}, "APPROVAL_TELEGRAM_CHAT needs APPROVAL_TELEGRAM_TOKEN"),
        ({"SMTP_URL": "smtps://u:s3cret@smtp.kites.example"}, "SMTP_URL needs APPROVAL_EMAIL"),
        ({"APPROVAL_SLACK_URL": "http://hooks.slack.com/s3cret"}, "APPROVAL_SLACK_URL"),
        ({**EMAIL, "SMTP_URL": "https://u:s3cret@smtp.kites.example"}, "SMTP_URL is no address"),
        ({**EMAIL, "SMTP_URL": "smtp://u:s3cret@kites.example:port"}, "SMTP_URL is no address"),
    ],
)
def test_what_is_wrong_is_named_without_its_value(variables: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named) as refused:
        read_environment(variables, None)

    assert "s3cret" not in str(refused.value)


def test_a_secret_is_that_of_its_channel() -> None:
    environment, _ = read_environment({**SLACK, **TELEGRAM}, None)

    assert read_approval_secret(environment, "approvals/slack-url") == SLACK["APPROVAL_SLACK_URL"]
    assert read_approval_secret(environment, "approvals/telegram-token") == "7:s3cret"
    with pytest.raises(ConfigurationError, match="SMTP_URL"):
        open_mailbox(environment)


def test_a_mail_server_is_read_from_one_address() -> None:
    assert parse_mailbox(EMAIL["SMTP_URL"], "bob@kites.example") == Mailbox(
        host="smtp.kites.example",
        port=465,
        is_encrypted=True,
        user="ann@kites.example",
        password="s3cret",
        to="bob@kites.example",
    )
    assert "s3cret" not in repr(parse_mailbox(EMAIL["SMTP_URL"], "bob@kites.example"))


@pytest.mark.enable_socket(reason="nothing listens at the port")
def test_a_mail_server_that_does_not_answer_is_tried_again() -> None:
    mailbox = parse_mailbox("smtp://127.0.0.1:9", "bob@kites.example")

    with pytest.raises(VideoModelError, match="did not take the e-mail: ConnectionRefusedError") as failed:
        mailbox.send("A", "b")

    assert failed.value.transient

"""Send an e-mail through a server of the person who runs this host."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from mediaposter.domain.errors import ConfigurationError, ErrorCode, VideoModelError

_TIMEOUT_SECONDS = 10.0
_PORTS = {"smtp": 587, "smtps": 465}
_OWN_MACHINE = ("127.0.0.1", "localhost", "::1")
_WRONG = (
    "SMTP_URL is no address of a mail server. Write smtps://user:password@smtp.example.com:465, or smtp:// for one "
    "that encrypts after a greeting. Correct it, and start again."
)


class Mailbox(NamedTuple):
    """A mail server, its account, and to whom this host writes."""

    host: str
    port: int
    is_encrypted: bool
    user: str
    password: str
    to: str

    def __repr__(self) -> str:
        return f"Mailbox({self.host})"

    def send(self, subject: str, text: str) -> None:
        """Send an e-mail.

        Raises:
            VideoModelError: the server did not take it.
        """
        message = EmailMessage()
        message["Subject"], message["To"] = subject, self.to
        message["From"] = self.user if "@" in self.user else self.to
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="mediaposter.invalid")
        message.set_content(text)
        try:
            with self._connect() as server:
                if self.user:
                    server.login(self.user, self.password)
                server.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            # An answer of the server may repeat what it was sent.
            raise VideoModelError(
                ErrorCode.PROVIDER_ERROR,
                f"{self.host} did not take the e-mail: {type(error).__name__}.",
                transient=True,
            ) from error

    def _connect(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self.is_encrypted:
            return smtplib.SMTP_SSL(self.host, self.port, timeout=_TIMEOUT_SECONDS, context=context)
        server = smtplib.SMTP(self.host, self.port, timeout=_TIMEOUT_SECONDS)
        # A password, and a link, go over the internet encrypted or not at all.
        if self.host not in _OWN_MACHINE:
            try:
                server.starttls(context=context)
            except BaseException:
                server.close()
                raise
        return server


def parse_mailbox(url: str, to: str) -> Mailbox:
    """Read the address of a mail server.

    Raises:
        ConfigurationError: it is none; the sentence does not repeat it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise ConfigurationError(_WRONG) from error
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise ConfigurationError(_WRONG)
    return Mailbox(
        host=parts.hostname,
        port=port,
        is_encrypted=parts.scheme == "smtps",
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        to=to,
    )

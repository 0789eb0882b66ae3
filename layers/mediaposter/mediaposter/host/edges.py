"""Supply a stack on this machine with its edges: SQLite, a folder, its own executions, keys from the environment."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from mediaposter.ai.provider_accounts import choose_default_model, find_account
from mediaposter.domain.errors import ConfigurationError
from mediaposter.domain.receipt import Receipt
from mediaposter.events import ApprovalNotice
from mediaposter.host.approval_channels import open_mailbox, read_approval_secret
from mediaposter.host.bucket import FolderBucket
from mediaposter.host.outbox import Kind
from mediaposter.host.pretend.publisher import PRETENDED_POSTS
from mediaposter.host.pretend.sandbox_model import InProcessSandboxModel
from mediaposter.host.table import SqliteTable
from mediaposter.http.outbound import post_document, post_json
from mediaposter.shared_edges import SharedEdges
from mediaposter.stores.media import MediaStore
from mediaposter.usecases.scheduled.deliver_webhook import DELIVERY_TIMEOUT_SECONDS
from mediaposter.wire.urls import is_own_machine

if TYPE_CHECKING:
    from mediaposter.ai.catalog import Catalog
    from mediaposter.ai.video_model_interface import VideoModelInterface
    from mediaposter.config import Settings
    from mediaposter.events import AnyAnswer, QueuedKind, SeriesExhausted
    from mediaposter.host.environment import HostEnvironment
    from mediaposter.host.outbox import Outbox
    from mediaposter.host.pretend.sandbox_provider import SandboxProvider
    from mediaposter.host.secrets import HostSecrets
    from mediaposter.host.workflow import HostBatchWorkflow, HostTokens, HostWorkflow
    from mediaposter.media.inspection import Inspection, StoredVersion
    from mediaposter.publishing.publisher_interface import PublisherInterface
    from mediaposter.usecases.scheduled.approval_notices import PostDocument
    from mediaposter.usecases.scheduled.deliver_webhook import PostJson
    from mediaposter.usecases.steps import RenderToCancel

logger = logging.getLogger(__name__)


class HostEdges(SharedEdges):
    """The edges of the one stack of a host.

    Args:
        settings: of the stack.
        environment: keys and addresses.
        secrets: the host's own.
        table: of all records.
        bucket: of all files.
        outbox: takes what is to be done after an event.
        public_url: where the API is.
        inspect: decodes a stored video, in another process.
        sandbox: draws the clips of the model of this machine.
        pretended_publisher: builds the publisher where there is no key of a real one.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        environment: HostEnvironment,
        secrets: HostSecrets,
        table: SqliteTable,
        bucket: FolderBucket,
        outbox: Outbox,
        public_url: Callable[[], str],
        inspect: Callable[[StoredVersion], Inspection],
        sandbox: SandboxProvider,
        pretended_publisher: Callable[[], PublisherInterface],
    ) -> None:
        super().__init__(settings, open_bucket=lambda: bucket, read_secret=self.read_secret)
        self.table = table
        self.workflow: HostWorkflow
        self.batch_workflow: HostBatchWorkflow
        self.signaller: HostTokens
        self._environment = environment
        self._secrets = secrets
        self._outbox = outbox
        self._public_url = public_url
        self._inspect = inspect
        self._sandbox = sandbox
        self._pretended_publisher = pretended_publisher

    def carry(self, workflow: HostWorkflow, batch_workflow: HostBatchWorkflow, signaller: HostTokens) -> None:
        """Take what carries videos and batches: it needs the stack, which needs these edges."""
        self.workflow, self.batch_workflow, self.signaller = workflow, batch_workflow, signaller

    @cached_property
    def media(self) -> MediaStore:
        """The videos and the pictures."""
        return MediaStore(self._bucket, inspect=self._inspect)

    @property
    def inspected_media(self) -> MediaStore:
        """The videos, each decoded in another process."""
        return self.media

    def send_event(self, event: QueuedKind | AnyAnswer | SeriesExhausted) -> None:
        """Log an event, and keep it for its owner's webhook, on disk."""
        logger.info("%s of %s", event.type, event.subject)
        if isinstance(event, ApprovalNotice) or getattr(event, "webhook_url", None) is not None:
            self._outbox.add(Kind.WEBHOOK, event.model_dump_json(exclude_none=True))

    def cancel_render(self, render: RenderToCancel) -> None:
        """Have a render stopped, without waiting for the provider; it is on disk when this returns."""
        self._outbox.add(Kind.CANCEL_RENDER, render.model_dump_json())

    def put_off(self, receipt_handle: str, seconds: int) -> None:
        """Let a webhook be tried again after `seconds`."""
        self._outbox.put_off(receipt_handle, seconds)

    @cached_property
    def post_json(self) -> PostJson:
        """Posts to a webhook's receiver: to public addresses, and to this machine, whose owner runs this host."""
        return _post_event

    @cached_property
    def post_document(self) -> PostDocument:
        """Posts to a chat: to public addresses, and to this machine."""
        return _post_document

    def send_email(self, subject: str, text: str) -> None:
        """Send an e-mail through the server of SMTP_URL."""
        open_mailbox(self._environment).send(subject, text)

    def read_secret(self, name: str) -> str:
        """Give a secret by its name in Parameter Store.

        Raises:
            ConfigurationError: it is not set; the sentence names its variable.
        """
        if name == "webhook-signing-key":
            return self._secrets.webhook_signing_key
        if name.startswith("webhooks/"):
            return self._read_webhook_secret(name.removeprefix("webhooks/").removesuffix("-secret"))
        if name == "captions-api-key":
            return self._read_captions_key()
        if name.startswith("approvals/"):
            return read_approval_secret(self._environment, name)
        account = name.removeprefix("providers/").removesuffix("-api-key")
        key = self._environment.find_key(account)
        if key is None:
            raise ConfigurationError(f"There is no key: set {_name_variables(account)} in .env and start again.")
        return key

    def _read_captions_key(self) -> str:
        key = self._environment.captions_api_key
        if key is None:
            raise ConfigurationError("There is no key: set CAPTIONS_API_KEY in .env and start again.")
        return key.get_secret_value()

    def _read_webhook_secret(self, provider: str) -> str:
        secret = self._environment.find_webhook_secret(provider)
        if secret is None:
            raise ConfigurationError(
                f"The webhooks of {provider} cannot be verified: set {provider.upper()}_WEBHOOK_SECRET in .env and "
                "start again."
            )
        return secret

    def public_url(self) -> str:
        """Tell where the API is."""
        return self._public_url()

    def read_catalog(self) -> Catalog:
        """Read the catalog: models without a key say which variable they need, and aliases lead to those with one."""
        catalog = super().read_catalog()
        offered = {"sandbox", *self._environment.list_providers()}
        withheld = {
            provider: f"This model is not offered yet: set {_name_variables(provider)} in .env, and start again."
            for provider in catalog.list_providers()
            if provider not in offered
        }
        return catalog.withhold(withheld, instead=self._choose_default(catalog))

    def _choose_default(self, catalog: Catalog) -> str:
        """Choose the model that `sora-2` leads to: one with a key, else this machine's."""
        providers = self._environment.list_providers()
        return choose_default_model(catalog, providers, today=datetime.now(UTC).date()) or "sandbox-1"

    def build_model(self, provider: str, model: str, *, seconds: float) -> VideoModelInterface:
        """Build a model; the sandbox's is part of this process."""
        if provider == "sandbox" and "sandbox" not in self._settings.provider_base_urls:
            return InProcessSandboxModel(entry=self.read_catalog().get(model), provider=self._sandbox)
        return super().build_model(provider, model, seconds=seconds)

    def parse_webhook(self, provider: str, headers: Mapping[str, str], body: bytes, at: datetime) -> str:
        """Verify a provider's webhook, and give the job it is about; those of the sandbox come from this process."""
        if provider == "sandbox":
            return self._sandbox.read_webhook(headers, body)
        return super().parse_webhook(provider, headers, body, at)

    @property
    def are_posts_pretended(self) -> bool:
        """Tell whether posts go nowhere: there is no key of a real publisher."""
        return self._environment.blotato_api_key is None

    @property
    def posts_notice(self) -> str:
        """Say that posts are pretended, if they are."""
        return PRETENDED_POSTS if self.are_posts_pretended else ""

    def build_publisher(self, *, timeout_seconds: float | None = None) -> PublisherInterface:
        """Build the publisher: Blotato with your key, else the pretended one."""
        if self.are_posts_pretended:
            return self._pretended_publisher()
        return super().build_publisher(timeout_seconds=timeout_seconds)

    def count_metric(self, name: str) -> None:
        """Log a metric; a host has nothing that watches them."""
        logger.debug("metric %s", name)

    def measure(self, name: str, value: float, *, provider: str | None = None) -> None:
        """Log a value of a metric."""
        logger.debug("metric %s %s %s", name, value, provider or "")

    def report(self, sentence: str) -> None:
        """Log a warning."""
        logger.warning("%s", sentence)

    def rest_between_rows(self) -> None:
        """Go on at once: the writes of one process queue for each other."""


def _post_event(url: str, content: bytes, *, headers: Mapping[str, str]) -> int:
    return post_json(
        url,
        content,
        headers=headers,
        timeout_seconds=DELIVERY_TIMEOUT_SECONDS,
        is_anywhere_allowed=is_own_machine(url),
    )


def _post_document(url: str, content: bytes, *, headers: Mapping[str, str]) -> Receipt:
    return post_document(
        url,
        content,
        headers=headers,
        timeout_seconds=DELIVERY_TIMEOUT_SECONDS,
        is_anywhere_allowed=is_own_machine(url),
    )


def _name_variables(provider: str) -> str:
    """Name the variables of a provider's account, the first of them first."""
    if provider == "blotato":
        return "BLOTATO_API_KEY"
    return " or ".join(find_account(provider).variables)

"""Deliver an event to its owner's webhook: written from the table, signed, and retried for a day."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from mediaposter.domain.errors import ConfigurationError, VideoModelError
from mediaposter.domain.receipt import Receipt
from mediaposter.events import AnyEvent, ApprovalNotice
from mediaposter.wire.chats import ChatAddress, find_chat
from mediaposter.wire.webhooks import QueuedEvent, derive_webhook_secret, present_event, sign_webhook

# How long a receiver may take to respond.
DELIVERY_TIMEOUT_SECONDS = 10.0
# The waits between tries: the last try is 24 hours after the first. The queue's maxReceiveCount is one more.
RETRY_AFTER_SECONDS = (5, 30, 120, 600, 3_600, 14_400, 14_400, 14_400, 14_400, 14_400, 10_045)

# The longest that a receiver may ask us to wait.
_OBEYED_SECONDS_MAX = 3_600
_GONE = 410
_NOT_WAITING = "The video does not wait for this decision any more."


class DeliveryOutcome(StrEnum):
    """The outcome of a try."""

    DELIVERED = "delivered"
    GONE = "gone"  # the receiver answered 410 Gone
    PUT_OFF = "put_off"  # the queue brings it again
    GIVEN_UP = "given_up"  # the queue moves it to the dead-letter queue
    DROPPED = "dropped"  # the table does not confirm it, or it has no webhook


class Delivery(BaseModel):
    """The outcome of a try, and the reason; all of it may be logged.

    `subject` is what the event is about, if the table confirms it: anyone with access may put events on the bus.
    """

    model_config = ConfigDict(frozen=True)

    outcome: DeliveryOutcome
    reason: str
    subject: str | None = None
    retry_after_seconds: int = 0

    @property
    def is_over(self) -> bool:
        """Tell whether the queue may forget the message."""
        return self.outcome in (DeliveryOutcome.DELIVERED, DeliveryOutcome.GONE, DeliveryOutcome.DROPPED)


class PostJson(Protocol):
    """Posts a JSON document to a URL that someone else chose."""

    def __call__(self, url: str, content: bytes, *, headers: Mapping[str, str]) -> int:
        """Give the status of the response. Raises VideoModelError if there was none."""


class Notices(Protocol):
    """Tells people: the channels of the stack, and the chats of keys."""

    def ask(self, notice: ApprovalNotice, *, tries: int) -> Receipt | None: ...

    def tell(self, event: AnyEvent, address: ChatAddress, *, tries: int) -> Receipt | None: ...


class DeliverEvent:
    """Delivers an event, or lets the queue deliver it again."""

    def __init__(
        self,
        *,
        find_recorded: Callable[[AnyEvent], AnyEvent | None],
        post_json: PostJson,
        notices: Notices,
        put_off: Callable[[str, int], object],
        signing_key: Callable[[], str],
        count_metric: Callable[[str], None],
        clock: Callable[[], datetime],
    ) -> None:
        """Take the collaborators.

        Args:
            find_recorded: writes an event from the bus again, from the table; None if the table does not confirm it.
            post_json: sends the request to a receiver.
            notices: sends messages to people; gives None if there is nothing to tell any more.
            put_off: takes a receipt handle, and the seconds after which the queue delivers its message again.
            signing_key: gives the stack's key; raises ConfigurationError if it is missing.
            count_metric: adds one to a metric.
            clock: the time in UTC.
        """
        self._find_recorded = find_recorded
        self._post_json = post_json
        self._notices = notices
        self._put_off = put_off
        self._signing_key = signing_key
        self._count_metric = count_metric
        self._clock = clock

    def __call__(self, message: QueuedEvent) -> Delivery:
        """Try once. A receiver that accepted an event may get it again, with the same id."""
        if isinstance(message.event, ApprovalNotice):
            notice = message.event
            delivery = self._try(message, lambda: self._notices.ask(notice, tries=message.tries))
            return delivery.model_copy(update={"subject": notice.subject})
        event = self._find_recorded(message.event)
        if event is None:
            self._count_metric("WebhooksDropped")
            return Delivery(outcome=DeliveryOutcome.DROPPED, reason="The table does not confirm it.")
        if event.webhook_url is None:
            self._count_metric("WebhooksDropped")
            return Delivery(outcome=DeliveryOutcome.DROPPED, reason="It has no receiver.", subject=event.subject)
        recorded, url, chat = event, event.webhook_url, find_chat(event.webhook_url)
        send: Callable[[], Receipt | None] = partial(self._deliver, recorded, url)
        if chat is not None:
            send = partial(self._notices.tell, recorded, chat, tries=message.tries)
        return self._try(message, send).model_copy(update={"subject": event.subject})

    def _try(self, message: QueuedEvent, send: Callable[[], Receipt | None]) -> Delivery:
        try:
            receipt = send()
        except (VideoModelError, ConfigurationError) as error:
            return self._bring_again(message, str(error))
        if receipt is None:
            return Delivery(outcome=DeliveryOutcome.DROPPED, reason=_NOT_WAITING)
        status_code = receipt.status_code
        reason = f"answered {status_code}"
        if 200 <= status_code < 300:
            return Delivery(outcome=DeliveryOutcome.DELIVERED, reason=reason)
        if status_code == _GONE:
            self._count_metric("WebhooksGone")
            return Delivery(outcome=DeliveryOutcome.GONE, reason=reason)
        return self._bring_again(message, reason, receipt.retry_after_seconds or 0)

    def _deliver(self, event: AnyEvent, webhook_url: str) -> Receipt:
        content = present_event(event).model_dump_json(exclude_none=True).encode()
        secret = derive_webhook_secret(self._signing_key(), event.owner)
        headers = sign_webhook(event.id, content, secret=secret, now=self._clock())
        return Receipt(self._post_json(webhook_url, content, headers=headers))

    def _bring_again(self, message: QueuedEvent, reason: str, at_least_seconds: float = 0) -> Delivery:
        if message.tries > len(RETRY_AFTER_SECONDS):
            # The queue counts, too: at the next receive it moves the message to the dead-letter queue.
            self._put_off(message.receipt_handle, 0)
            self._count_metric("WebhooksGivenUp")
            return Delivery(outcome=DeliveryOutcome.GIVEN_UP, reason=reason)
        asked_for = min(math.ceil(at_least_seconds), _OBEYED_SECONDS_MAX)
        retry_after_seconds = max(RETRY_AFTER_SECONDS[message.tries - 1], asked_for)
        self._put_off(message.receipt_handle, retry_after_seconds)
        return Delivery(outcome=DeliveryOutcome.PUT_OFF, reason=reason, retry_after_seconds=retry_after_seconds)

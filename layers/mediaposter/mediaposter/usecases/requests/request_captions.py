"""Have the captions of a request written when it is taken, so that its record has the words that will be posted.

A record of the request is written before the model is asked, and its words are kept before the video is recorded. So a
try that crashes leaves nothing, or words that the next try finds. Whatever goes wrong here, the request goes on with
the captions that it would have without this.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from mediaposter.domain.errors import CaptionsPending, ConfigurationError, VersionConflict, WriteConflict
from mediaposter.publishing.caption_rules import CaptionRule
from mediaposter.publishing.chat_interface import ChatModel
from mediaposter.publishing.targets import AnyTarget
from mediaposter.stores.budget import count_call
from mediaposter.stores.caption_orders import ASKING_MAX, CaptionOrder, CaptionOrderStore, order_captions
from mediaposter.stores.table import Change
from mediaposter.stores.video_record import Reservation
from mediaposter.usecases.posting.ask_for_captions import NETWORKS, Brief, Written, ask_for_captions
from mediaposter.usecases.posting.caption_money import CaptionBill, CaptionPrices
from mediaposter.usecases.posting.write_captions import NO_MODEL, open_chat_model
from mediaposter.usecases.requests.caption_templates import (
    PostTexts,
    TakenRequest,
    give_texts,
    list_without_text,
)
from mediaposter.wire.caller import Caller
from mediaposter.wire.captions import Platform
from mediaposter.wire.requests import PublishRequest
from mediaposter.wire.video_object import to_dollars

# The rest of a request takes up to eight of the 29 seconds of API Gateway, and a call twelve.
_REPAIR_WITHIN_SECONDS = 8.0
_TRIES_MAX = 2
_BUSY = "other requests of this owner are being counted."


class _LeftOut(Exception):
    """No caption is written; the sentence says why."""


class RequestCaptions:
    """Writes the captions of requests that ask for it."""

    def __init__(
        self,
        *,
        orders: CaptionOrderStore,
        build_model: Callable[[], ChatModel],
        prices: CaptionPrices,
        monotonic: Callable[[], float],
    ) -> None:
        self._orders = orders
        self._build_model = build_model
        self._prices = prices
        self._monotonic = monotonic

    def __call__(self, taken: TakenRequest) -> PostTexts:
        """Write a caption for each post without a text of its own.

        Raises:
            CaptionsPending: an earlier try of the same request is asking the model just now.
        """
        brief = _write_brief(taken)
        if not brief.rules:
            return PostTexts({})
        try:
            order = self._write(taken, brief)
        except _LeftOut as reason:
            return give_texts(taken.request, taken.video.prompt, {}, dict.fromkeys(brief.rules, str(reason)))
        texts = give_texts(taken.request, taken.video.prompt, order.texts or {}, order.faults)
        return texts._replace(spent_micros=order.spent_micros)

    def estimate(self, request: PublishRequest, prompt: str, *, caller: Caller, now: datetime) -> tuple[str, ...]:
        """Say what a request would have written; the model is not asked."""
        brief = Brief(_describe(request, prompt), _list_rules(request, prompt))
        if not brief.rules:
            return ()
        if not self._prices.model:
            return (f"captions: none would be written: {NO_MODEL}",)
        bill = self._prices.spend(brief, caller, now.date())
        price = f", for up to about ${to_dollars(bill.guess_micros)}" if bill.guess_micros else ""
        return (f"captions: no model was asked; they are written when the request is taken{price}.",)

    def _write(self, taken: TakenRequest, brief: Brief) -> CaptionOrder:
        """Ask the model, or find what it wrote for an earlier try."""
        now = taken.video.created_at
        is_repeatable = taken.context.idempotency_key is not None or taken.context.retry_count is not None
        wanted = order_captions(taken.name, now=now, is_repeatable=is_repeatable)
        # The first try of a call without a key: an equal one before was for another video.
        is_new = taken.context.idempotency_key is None and not taken.context.retry_count
        earlier = None if is_new else self._orders.find(wanted, now=now)
        if earlier is not None and earlier.texts is not None:
            return earlier
        if earlier is not None and earlier.asked_until > now:  # guard: captions pending
            raise _postpone(earlier.asked_until - now)
        if earlier is not None and earlier.tries >= _TRIES_MAX:  # guard: captions asked twice
            raise _LeftOut("the model was asked twice, and both answers were lost.")
        try:
            model = open_chat_model(self._build_model, self._prices.model)
        except ConfigurationError as error:
            raise _LeftOut(str(error)) from error
        bill = self._prices.spend(brief, taken.caller, now.date(), kept_micros=taken.reservation.micros)
        _refuse_price(taken.reservation, bill)
        order = self._begin(taken, bill, wanted, earlier, is_new=is_new)
        written = ask_for_captions(
            model, brief, monotonic=self._monotonic, repair_within_seconds=_REPAIR_WITHIN_SECONDS
        )
        return self._keep(order, written, bill)

    def _begin(
        self,
        taken: TakenRequest,
        bill: CaptionBill,
        wanted: CaptionOrder,
        earlier: CaptionOrder | None,
        *,
        is_new: bool,
    ) -> CaptionOrder:
        """Record that the model is asked, and what that is likely to cost."""
        now = taken.video.created_at
        limited = bill.list_limited()
        conditions: list[Change] = [*limited, bill.count_usage()]
        if taken.caller.rate_per_minute is not None:
            conditions.append(_require_rate(taken.caller, now))
        try:
            return self._orders.begin(wanted, earlier, conditions, now=now, is_new=is_new)
        except VersionConflict as conflict:
            if not conflict.changes:
                raise _postpone(ASKING_MAX) from conflict
            if conflict.changes[0] < len(limited):
                raise _LeftOut("nothing is left for them of the limits of today and this month.") from conflict
            raise _LeftOut("the key has reached its rate limit.") from conflict
        except WriteConflict as error:
            raise _LeftOut(_BUSY) from error

    def _keep(self, order: CaptionOrder, written: Written, bill: CaptionBill) -> CaptionOrder:
        order = order.copy_with(
            texts={name: words.text for name, words in written.good.items()},
            faults={str(name): fault for name, fault in written.faults.items()},
            spent_micros=bill.price(written.tokens),
        )
        # If another try took over, or the counters are busy, the guess stays as spent. Which words are posted is
        # decided with the record of the video.
        with suppress(WriteConflict):
            self._orders.keep(order, bill.correct(written.tokens))
        return order


def _postpone(left: timedelta) -> CaptionsPending:
    return CaptionsPending(
        "Another try of this request asks for its captions.", after_seconds=math.ceil(left.total_seconds())
    )


def _refuse_price(reservation: Reservation, bill: CaptionBill) -> None:
    most_micros = reservation.max_micros
    if most_micros is not None and reservation.micros + bill.guess_micros > most_micros:  # guard: max cost of captions
        raise _LeftOut(
            f"with them the video may cost ${to_dollars(reservation.micros + bill.guess_micros)}, more than its "
            "max_cost_usd."
        )


def _require_rate(caller: Caller, moment: datetime) -> Change:
    """Require that the request itself still fits into the minute, without counting it: its record does that."""
    rate = caller.rate_per_minute or 0
    return count_call(caller.owner, moment, per_minute=rate - 1, calls=0)


def _write_brief(taken: TakenRequest) -> Brief:
    prompt = taken.video.prompt
    return Brief(_describe(taken.request, prompt), _list_rules(taken.request, prompt))


def _describe(request: PublishRequest, prompt: str) -> dict[str, str]:
    draft = (request.text or "").replace("{prompt}", prompt).replace("{title}", request.title or "")
    subject = {"video": prompt, "title": request.title, "draft": draft}
    return {name: text for name, text in subject.items() if text}


def _list_rules(request: PublishRequest, prompt: str) -> dict[Platform, CaptionRule]:
    by_network: dict[Platform, list[AnyTarget]] = {}
    for target in list_without_text(request):
        by_network.setdefault(target.platform, []).append(target)
    sources = [*_describe(request, prompt).values()]
    return {name: CaptionRule(NETWORKS[name], sources, targets=targets) for name, targets in by_network.items()}

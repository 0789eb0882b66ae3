"""Have a model write one caption for each network, and keep to the rules of the networks whatever it writes.

Where it wrote nothing that a network takes, the prompt is the caption, if the network takes that. No text is ever cut.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from mediaposter.domain.errors import BudgetExceeded, ConfigurationError, InvalidRequest, VersionConflict, WriteConflict
from mediaposter.publishing.caption_rules import CaptionRule, Words
from mediaposter.publishing.chat_interface import ChatModel
from mediaposter.stores.budget import BudgetStore
from mediaposter.stores.keys import Scope
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.posting.ask_for_captions import NETWORKS, Brief, ask_for_captions
from mediaposter.usecases.posting.caption_money import CaptionBill, CaptionPrices
from mediaposter.usecases.requests.left_today import find_left_micros
from mediaposter.wire.caller import Caller
from mediaposter.wire.captions import CaptionObject, CaptionsObject, CaptionsRequest, Platform
from mediaposter.wire.video_object import to_dollars

# What is missing where captions are off.
NO_MODEL = "CAPTIONS_MODEL, or the parameter CaptionsModel, names no model."

_FALLBACK_TITLE = "New video"
# A call takes twelve seconds at most, so that two end within the 29 of API Gateway.
_REPAIR_WITHIN_SECONDS = 12.0


class WriteCaptions:
    """Write captions for a caller."""

    def __init__(
        self,
        *,
        videos: VideoStore,
        budget: BudgetStore,
        build_model: Callable[[], ChatModel],
        prices: CaptionPrices,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._videos = videos
        self._budget = budget
        self._build_model = build_model
        self._prices = prices
        self._clock = clock
        self._monotonic = monotonic

    def __call__(self, request: CaptionsRequest, *, caller: Caller) -> CaptionsObject:
        """Write one caption for each network; at most two calls are made.

        Raises:
            Forbidden: the caller may not spend.
            NotFound: there is no such video.
            InvalidRequest: captions are off.
            BudgetExceeded: a limit of the caller or of the stack, for the day or the month, has no room.
            Contention: other requests write the same counters; sending again is safe.
            CaptionsError: the model could not be asked.
        """
        caller.require(Scope.CREATE)
        prompt = request.prompt or self._videos.get(str(request.video_id), caller=caller).prompt
        try:
            model = open_chat_model(self._build_model, self._prices.model)
        except ConfigurationError as error:
            raise InvalidRequest(
                f"Captions are off: {error} Nothing was written or spent.", code="captions_off"
            ) from error
        brief = _write_brief(request, prompt)
        bill = self._prices.spend(brief, caller, self._clock().date())
        self._count(bill, caller)
        written = ask_for_captions(
            model, brief, monotonic=self._monotonic, repair_within_seconds=_REPAIR_WITHIN_SECONDS
        )
        # If this cannot be written, the guess stays.
        if changes := bill.correct(written.tokens):
            with suppress(WriteConflict):
                self._budget.commit(changes)
        if written.error is not None:
            raise written.error
        return CaptionsObject(
            model=self._prices.model,
            data=[
                _present(name, written.good[name])
                if name in written.good
                else _fall_back(name, brief.rules[name], prompt, written.faults[name])
                for name in request.platforms
            ],
        )

    def _count(self, bill: CaptionBill, caller: Caller) -> None:
        try:
            self._budget.commit([*bill.list_limited(), bill.count_usage()])  # guard: captions counted
        except VersionConflict as error:
            left_micros = find_left_micros(
                self._budget,
                caller,
                stack_limits=self._prices.stack,
                today=bill.day,
            )
            raise BudgetExceeded(
                f"The captions may cost ${to_dollars(bill.guess_micros)}, and ${to_dollars(left_micros or 0)} is left "
                "of the limits of today and this month. Nothing was written or spent."
            ) from error


def open_chat_model(build: Callable[[], ChatModel], name: str) -> ChatModel:
    """Build the model that writes captions.

    Raises:
        ConfigurationError: its name or its key is missing; the sentence says where to set it.
    """
    if not name:
        raise ConfigurationError(NO_MODEL)
    return build()


def _write_brief(request: CaptionsRequest, prompt: str) -> Brief:
    sources = [part for part in (prompt, request.brand) if part]
    wishes = request.model_dump(include={"tone", "language", "hashtags", "brand"}, exclude_none=True)
    return Brief(
        {"video": prompt, **wishes},
        {
            name: CaptionRule(NETWORKS[name], sources, request.hashtags, is_language_free=request.language is not None)
            for name in request.platforms
        },
    )


def _present(name: Platform, words: Words) -> CaptionObject:
    return CaptionObject(platform=name, text=words.text, title=words.title, source="model", warning=None)


def _fall_back(name: Platform, rule: CaptionRule, prompt: str, fault: str) -> CaptionObject:
    """Take the prompt, as a request without a text does; where the network would refuse it, nothing."""
    titles = [prompt, _FALLBACK_TITLE] if rule.has_title else [None]
    candidates = [Words(text, title) for text in (prompt, "") for title in titles]
    # The last one fits everywhere: an empty text, and a title of ours.
    words = next((each for each in candidates if rule.find_fault(each) is None), candidates[-1])
    shown = "the prompt" if words.text else "empty, since the network would refuse the prompt"
    return CaptionObject(
        platform=name,
        text=words.text,
        title=words.title,
        source="template",
        warning=f"The model wrote nothing that {name} takes ({fault}). The text is {shown}.",
    )

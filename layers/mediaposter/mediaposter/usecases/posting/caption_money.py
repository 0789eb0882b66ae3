"""Count what captions cost: as spent before the model is asked, and corrected when its answer is there.

So a crash between the two leaves the guess as spent, and nothing that would have to be settled later.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from mediaposter.publishing.chat_interface import Tokens
from mediaposter.stores.budget import Limit, StackLimits, count_captions, list_limits, spend
from mediaposter.stores.table import Change
from mediaposter.usecases.posting.ask_for_captions import Brief, Price, guess_tokens
from mediaposter.wire.caller import Caller


class CaptionPrices(NamedTuple):
    """The model that writes captions, what it costs, and the limits of the stack.

    Attributes:
        model: its name, under which its cost is counted; "" if there is none.
        price: of its tokens; nothing by default, since servers do not report prices.
        stack: what all owners together may spend.
    """

    model: str
    price: Price
    stack: StackLimits

    def spend(self, brief: Brief, caller: Caller, day: date, *, kept_micros: int = 0) -> CaptionBill:
        """Plan to spend what asking by a brief is likely to cost; the limits must leave `kept_micros` beside it."""
        limits = list_limits(
            caller.owner,
            daily_micros=caller.daily_budget_micros,
            monthly_micros=caller.monthly_budget_micros,
            stack=self.stack if self.stack.exist else None,
        )
        return CaptionBill(self, limits, day, self.price.of(guess_tokens(brief)), kept_micros)


class CaptionBill(NamedTuple):
    """What asking once is likely to cost. `kept_micros` is for the video of the same request."""

    prices: CaptionPrices
    limits: Sequence[Limit]
    day: date
    guess_micros: int
    kept_micros: int

    def list_limited(self) -> list[Change]:
        """Give the changes that count the guess as spent, one for each limit; none if captions cost nothing."""
        if not self.guess_micros:
            return []
        return [spend(limit, self.day, self.guess_micros, kept_micros=self.kept_micros) for limit in self.limits]

    def count_usage(self) -> Change:
        """Give the change that counts the captions for their model."""
        owner, model = self.limits[0].owner, self.prices.model
        return count_captions(owner, self.day, model, captions=1, spent_micros=self.guess_micros)

    def price(self, tokens: Tokens) -> int:
        """Price what the calls took, in micro-dollars."""
        return self.prices.price.of(tokens)

    def correct(self, tokens: Tokens) -> list[Change]:
        """Give the changes that replace the guess by what the calls took."""
        more_micros = self.price(tokens) - self.guess_micros
        if not more_micros:
            return []
        return [
            *(spend(limit._replace(micros=None), self.day, more_micros) for limit in self.limits),
            count_captions(self.limits[0].owner, self.day, self.prices.model, spent_micros=more_micros),
        ]

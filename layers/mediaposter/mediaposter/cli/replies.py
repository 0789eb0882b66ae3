"""What the commands read of the API's replies: tolerant of fields that are new, missing or null."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

_Item = TypeVar("_Item")
# A list, a number or a text that a newer or older stack may leave out or null.
_Texts = Annotated[tuple[str, ...], BeforeValidator(lambda value: value or ())]
_Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else str(value))]


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Failure(_Reply):
    """Why a video, a post or a batch failed."""

    code: _Text = ""
    message: _Text = ""


class PostView(_Reply):
    """A post of a video."""

    platform: str
    account_id: str
    status: str
    url: str | None = None
    scheduled_time: str | None = None
    error: Failure | None = None

    @property
    def target(self) -> str:
        """Name its account as options do."""
        return f"{self.platform}:{self.account_id}"


class Links(_Reply):
    """Signed URLs of a stored video."""

    video: str | None = None


class ActorView(_Reply):
    """The key that was used."""

    id: _Text = ""
    name: _Text = ""

    @property
    def shown(self) -> str:
        """Name it for a person."""
        return f"{self.name} ({self.id})" if self.name and self.id else self.name or self.id


class ApprovalView(_Reply):
    """Whether a person has decided."""

    status: str = ""
    expires_at: int | None = None
    decided_at: int | None = None
    decided_by: ActorView | None = None
    comment: _Text = ""


class EventView(_Reply):
    """One thing that happened to a video."""

    id: str
    type: str = ""
    created_at: int = 0
    by: ActorView | None = None
    door: _Text = ""
    platform: _Text = ""
    account_id: _Text = ""
    model: _Text = ""
    code: _Text = ""
    comment: _Text = ""
    edits: _Text = ""
    posts: _Texts = ()
    scheduled_time: _Text = ""
    url: _Text = ""


class VideoView(_Reply):
    """A video. Times are seconds since 1970, costs are dollars."""

    id: str
    status: str
    stage: str = ""
    progress: float = 0
    model: _Text = ""
    resolved_model: _Text = ""
    provider: _Text = ""
    seconds: _Text = ""
    size: _Text = ""
    prompt: _Text = ""
    created_at: int = 0
    completed_at: int | None = None
    warnings: _Texts = ()
    cost_estimate_usd: _Text = ""
    cost_usd: _Text = ""
    size_bytes: int | None = None
    sha256: str | None = None
    error: Failure | None = None
    approval: ApprovalView | None = None
    posts: Annotated[tuple[PostView, ...], BeforeValidator(lambda value: value or ())] = ()
    links: Links | None = None
    queue_position: int | None = None
    eta_at: int | None = None

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more happens by itself."""
        return self.status == "failed" or self.stage == "done" or (self.status == "completed" and not self.stage)

    @property
    def waits_for_person(self) -> bool:
        """Tell whether a person must approve it."""
        return self.stage == "awaiting_approval"

    @property
    def state(self) -> str:
        """Name where it is in one word: its stage, or failed."""
        if self.status == "failed":
            return "failed"
        return "approval" if self.waits_for_person else self.stage or self.status

    @property
    def failed_posts(self) -> list[PostView]:
        """List its posts that are not public, or perhaps not."""
        return [post for post in self.posts if post.status in {"failed", "in_doubt", "parked", "unknown"}]


class Counts(_Reply):
    """How many rows of a batch are where."""

    total: int = 0
    completed: int = 0
    failed: int = 0
    queued: int = 0
    in_progress: int = 0
    refused: int = 0

    @property
    def ended(self) -> int:
        """Count the rows of which nothing more comes."""
        return self.completed + self.failed + self.refused


class BatchView(_Reply):
    """A batch."""

    id: str
    status: str
    created_at: int = 0
    ended_at: int | None = None
    request_counts: Counts = Counts()
    cost_usd: _Text = ""
    error: Failure | None = None

    @property
    def is_over(self) -> bool:
        """Tell whether it has ended."""
        return self.status in {"completed", "failed", "cancelled"}


class RowError(_Reply):
    """What is wrong with a row of a file."""

    row: int | None = None
    line: int | None = None
    custom_id: str | None = None
    message: str = ""


class BatchCheck(_Reply):
    """What a batch would be."""

    rows: int
    accepted: int
    refused: int = 0
    captions: int = 0
    cost_estimate_usd: _Text = ""
    errors: tuple[RowError, ...] = ()


class BelowAccount(_Reply):
    """A page or a board of an account."""

    id: _Text = ""
    name: _Text = ""


class AccountView(_Reply):
    """A connected account."""

    id: _Text
    platform: str
    name: _Text = ""
    username: _Text = ""
    pages: Annotated[tuple[BelowAccount, ...], BeforeValidator(lambda value: value or ())] = ()
    boards: Annotated[tuple[BelowAccount, ...], BeforeValidator(lambda value: value or ())] = ()


class Page(_Reply, Generic[_Item]):
    """A page of a list."""

    data: tuple[_Item, ...] = ()
    has_more: bool = False
    last_id: str | None = None


class UploadView(_Reply):
    """Where a file is put."""

    id: str
    url: str
    headers: dict[str, str] = Field(default_factory=dict)


class DayView(_Reply):
    """What the videos of a model, or the captions that it wrote, cost on a day."""

    day: str
    model: str
    videos: int = 0
    captions: int = 0
    cost_usd: _Text = ""


class PeriodView(_Reply):
    """What was spent in a day or a month, and what is left."""

    spent_usd: _Text = ""
    promised_usd: _Text = ""
    videos: int = 0
    limit_usd: str | None = None
    left_usd: str | None = None
    stack_limit_usd: str | None = None
    stack_left_usd: str | None = None
    renews_at: str | None = None


class MonthView(PeriodView):
    """What was spent in the month."""

    month: str = ""


class UsageView(PeriodView):
    """What was spent today, in the month, and by day and model."""

    today: str = ""
    month: MonthView | None = None
    days: tuple[DayView, ...] = ()


class Candidate(_Reply):
    """A model that may make a video."""

    model: str
    provider: _Text = ""
    seconds: _Text = ""
    size: _Text = ""
    cost_estimate_usd: _Text = ""
    warnings: _Texts = ()


class Estimate(_Reply):
    """What a request would be."""

    reserved_usd: _Text = ""
    candidates: tuple[Candidate, ...] = ()


class ModelView(_Reply):
    """A model that can be asked for."""

    id: str
    owned_by: _Text = ""
    alias_of: str | None = None
    seconds: tuple[int, ...] = ()
    sizes: tuple[str, ...] = ()
    price_usd_per_second: dict[str, Decimal] = Field(default_factory=dict)
    capabilities: dict[str, JsonValue] = Field(default_factory=dict)
    retires_on: date | None = None
    replaced_by: str | None = None

    @property
    def can(self) -> tuple[str, ...]:
        """List what it can do: the pictures that it takes, then the rest."""
        roles = self.capabilities.get("image_roles")
        names = [str(role) for role in roles] if isinstance(roles, list) else []
        return (*names, *(name for name, value in self.capabilities.items() if value is True))

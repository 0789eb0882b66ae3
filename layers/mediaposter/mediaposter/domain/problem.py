"""What went wrong, as a value: recorded with a row, a run or a batch, and shown to callers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Problem(BaseModel):
    """Why a request was refused or failed, in a sentence that a person can act on.

    `param` is the field or the column that it is about, if it is about one. A stored problem has no key for a `param`
    that is None. Unknown keys are ignored: a newer version may have written them.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    code: str
    message: str
    param: str | None = None

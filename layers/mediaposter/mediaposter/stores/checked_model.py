"""Copy a record with some fields changed, checking names and values before anything is written.

pydantic's own `model_copy` checks neither: a misspelt name is dropped, and a wrong value makes the record unreadable.
A checked copy of a video takes 11 µs instead of 3; encoding its item takes 130.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from mediaposter.domain.errors import InvalidChange


class CheckedModel(BaseModel):
    """An immutable model whose copies are validated like the model itself.

    Subclasses have `copy_with(**fields: Unpack[...])`, so that mypy sees the same mistakes.
    """

    model_config = ConfigDict(frozen=True)

    def model_copy(self, *, update: Mapping[str, object] | None = None, deep: bool = False) -> Self:
        """Copy it with some fields changed. Values are not converted: each must have the type of its field.

        Raises:
            InvalidChange: there is no such field, or its value is invalid.
        """
        if not update:
            return super().model_copy(deep=deep)
        known = type(self).model_fields
        for name in update:
            if name not in known:
                raise InvalidChange(f"{self._describe_itself()} has no field {name}. Nothing was written.")
        fields = super().model_copy(deep=True).__dict__ if deep else self.__dict__
        try:
            # Validates all fields, not only the changed ones: it is as fast, and needs no second set of validators.
            return type(self).model_validate({**fields, **update}, strict=True)
        except ValidationError as error:
            # The value itself may be a prompt or a caption, and errors are logged.
            wrong = error.errors(include_url=False, include_context=False, include_input=False)
            reasons = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in wrong)
            raise InvalidChange(
                f"{self._describe_itself()} does not take this change. {reasons}. Nothing was written."
            ) from None

    def refuse_changes_but(self, allowed: Collection[str], changes: Mapping[str, object]) -> None:
        """Refuse to change fields that only the store writes, such as the state.

        Args:
            allowed: the fields that a caller of the store may change.
            changes: the requested changes.

        Raises:
            InvalidChange: names the first field that is not allowed.
        """
        for name in changes:
            if name not in allowed:  # guard: fields of a step
                raise InvalidChange(
                    f"{self._describe_itself()} has no field {name} that a step may change. Nothing was written."
                )

    def _describe_itself(self) -> str:
        return type(self).__name__

"""Read and check single fields of request bodies: as JSON types, or as the text of a form."""

from __future__ import annotations

import json
import re
from typing import get_args

from pydantic import JsonValue

from mediaposter.domain.text import refuse_unwritable_within
from mediaposter.publishing.targets import AnyTarget, PublishTarget
from mediaposter.wire.json_text import parse_json
from mediaposter.wire.pictures import read_input_reference

PROVIDER_OPTIONS_DEPTH_MAX = 16  # a vendor's body is flatter
PROVIDER_OPTIONS_MAX_BYTES = 64 * 1024  # as JSON, which is how the record stores them: DynamoDB takes 400 KB in all

_DIGITS = re.compile(r"[0-9]{1,18}")

TARGETS: tuple[type[PublishTarget], ...] = get_args(get_args(AnyTarget)[0])
_TARGET_FIELDS = frozenset(name for target in TARGETS for name in target.model_fields)


def parse_number(value: object) -> object:
    """Read a whole number; a form and the SDK send it as text."""
    # The SDK sends "8"; people write 8. True is a number in Python, but not for callers.
    if isinstance(value, bool):
        raise ValueError("must be a whole number")  # noqa: TRY004 (Pydantic takes a ValueError for a refusal)
    return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value


def refuse_flag(value: object) -> object:
    """Refuse true and false where a number is expected: in Python they are numbers."""
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004 (Pydantic takes a ValueError for a refusal)
    return value


def parse_json_text(value: object) -> object:
    """Read JSON text, as forms have it; any other value stays."""
    if not isinstance(value, str):
        return value
    parsed = parse_json(value)
    refuse_unwritable_within(parsed)
    return parsed


def parse_object(value: object) -> object:
    """Read an object; null is an empty one."""
    parsed = parse_json_text(value)
    return {} if parsed is None else parsed


def parse_targets(value: object) -> object:
    """Read the targets of posts; null is none."""
    parsed = parse_json_text(value)
    targets = [] if parsed is None else parsed
    return list(map(_leave_out_null, targets)) if isinstance(targets, list) else targets


def _leave_out_null(target: object) -> object:
    """Treat null as not sent; an unknown name is kept, so that validation refuses it."""
    if not isinstance(target, dict):
        return target
    return {name: field for name, field in target.items() if field is not None or name not in _TARGET_FIELDS}


def refuse_blank(value: str) -> str:
    """Refuse text without a visible character."""
    if not value.strip():
        raise ValueError("must not be empty")
    return value


def refuse_repeated_accounts(targets: list[AnyTarget]) -> list[AnyTarget]:
    """Refuse two targets of one account."""
    post_ids = [target.post_id for target in targets]
    for post_id in post_ids:
        if post_ids.count(post_id) > 1:
            raise ValueError(f"{post_id.replace('#', ' account ')} is named twice; an account takes a video once")
    return targets


def check_options(options: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Refuse options that are nested too deeply, are not JSON, or are too large for the record."""
    if _measure_depth(options) > PROVIDER_OPTIONS_DEPTH_MAX:
        raise ValueError(f"may be nested {PROVIDER_OPTIONS_DEPTH_MAX} levels deep at most")
    try:
        size_bytes = len(json.dumps(options, allow_nan=False))
    except ValueError as error:
        raise ValueError("must have finite numbers") from error
    if size_bytes > PROVIDER_OPTIONS_MAX_BYTES:
        raise ValueError(f"must have at most {PROVIDER_OPTIONS_MAX_BYTES} bytes, written as JSON, got {size_bytes}")
    return options


def _measure_depth(value: JsonValue) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_measure_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_measure_depth, value), default=0)
    return 0


def parse_reference(value: object) -> object:
    """Read the reference picture of a request."""
    value = _parse_object_text(value)
    if isinstance(value, dict):
        value = {name: field for name, field in value.items() if field is not None}
    return None if value is None else read_input_reference(value)


def parse_video(value: object) -> object:
    """Read the id of the video that another is made from."""
    value = _parse_object_text(value)
    if not isinstance(value, dict):
        return value
    if value.keys() != {"id"}:
        raise ValueError('must be the id of a video of this library, or {"id": …} with it and nothing else')
    return value["id"]


def _parse_object_text(value: object) -> object:
    return parse_json_text(value) if isinstance(value, str) and value.startswith("{") else value

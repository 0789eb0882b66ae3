"""Explain why a body was refused: the field, the rule, and never the value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from pydantic import ValidationError

from mediaposter.domain.errors import InvalidRequest
from mediaposter.domain.text import Path, UnwritableTextError, write_path
from mediaposter.domain.validation_errors import find_problem, tell_rule
from mediaposter.publishing.targets import ACCOUNT_ID
from mediaposter.wire.body_fields import parse_json_text


def explain_refusal(error: ValidationError, fields: Mapping[str, object]) -> InvalidRequest:
    """Turn the first error into one sentence, without the value, which may be a prompt."""
    problem = find_problem(error)
    location, within = problem["loc"], ""
    context = problem.get("ctx", {})
    if isinstance(unwritable := context.get("error"), UnwritableTextError):
        param = cut_name(write_path((*location, *unwritable.path))) or None
        return InvalidRequest(f"{param or 'The body'}: {unwritable.reason}.", param=param, code="invalid_value")
    edits = fields.get("edits")
    if len(location) > 1 and location[0] == "edits" and isinstance(edits, dict):
        location, within, fields = location[1:], "edits.", edits
    # A name and a platform come from the caller, and may be as long as the body.
    param = cut_name(f"{within}{_name_field(location)}") or None
    rule = tell_rule(problem)[:400]
    if problem["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        rule = f"platform: {rule}"
    subject = param
    if location[-1:] == (_KEY,):
        subject, rule = cut_name(f"{within}{_name_field(location[:-2])}"), f"a name in it {rule}"
    code = _CODES.get(problem["type"], "invalid_value")
    if len(location) >= _TARGET_DEPTH and location[0] == "publish":
        field = cut_name(_name_field(location[_TARGET_DEPTH:]))
        # A rule about a whole target names its field itself, as does a rule about several fields.
        rule = rule if not field or _NAMED_RULE.match(rule) else f"{field}: {rule}"
        target = _name_refused(location, fields["publish"])
        return InvalidRequest(f"{within}{target}: {rule}.", param=param, code=code)
    return InvalidRequest(f"{subject or 'The body'}: {rule}.", param=param, code=code)


def cut_name(name: str) -> str:
    """Cut a caller's name to a readable length, and replace characters that a reply cannot hold."""
    return name[:80].encode("utf-8", "replace").decode()


# By error type.
_CODES = MappingProxyType(
    {
        "missing": "missing_required_parameter",
        "union_tag_not_found": "missing_required_parameter",
        "extra_forbidden": "unknown_parameter",
    }
)
_KEY = "[key]"  # Pydantic's suffix for a name that is itself invalid
_TARGET_DEPTH = 3  # publish, the index, the platform
_NAMED_RULE = re.compile(r"[a-z_]+: ")


def _name_refused(location: Path, publish: object) -> str:
    """Name a refused target, with its account, unless the account is the error."""
    _, index, platform, *_ = location
    targets = parse_json_text(publish)
    target = targets[index] if isinstance(targets, list) and isinstance(index, int) else None
    account = target.get("account_id") if isinstance(target, dict) else None
    if isinstance(account, str) and re.fullmatch(ACCOUNT_ID, account):
        return name_target(index, platform, account)
    return f"publish[{index}] ({platform})"


def name_target(index: int | str, platform: int | str, account_id: str) -> str:
    """Name a target of a request for people."""
    return f"publish[{index}] ({platform} account {account_id})"


def _name_field(location: Path) -> str:
    """Write Pydantic's error location as callers know it, without the union's tag."""
    is_target = len(location) >= _TARGET_DEPTH and location[0] == "publish"
    path = (*location[:2], *location[_TARGET_DEPTH:]) if is_target else location
    return write_path(tuple(part for part in path if part != _KEY))

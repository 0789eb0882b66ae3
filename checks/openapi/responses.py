"""What the OpenAPI document says of every route: the introduction, the headers and the refusals."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from checks.openapi.schemas import JSON, JsonObject, refer_component
from mediaposter.stores.keys import KEY_PREFIX
from mediaposter.wire.errors import ErrorEnvelope
from mediaposter.wire.http import IDEMPOTENCY_KEY_MAX_CHARACTERS, POLL_AFTER_MS

DESCRIPTION = f"""\
OpenAI's Videos API, over any video model, and what this stack adds to it: other models, posts on social networks, \
budgets, estimates.

Every request carries an API key of the stack, `Authorization: Bearer {KEY_PREFIX}…`; only the webhooks of providers \
are signed instead. Every refusal is an error in OpenAI's envelope, those of the gateway too. What an answer has \
beyond this document is to be ignored: fields are added within a version."""
SERVER = "The stage of the stack, where this document lies, too: its address ends in `/v1`, as OpenAI's does."
FORM_BODY = (
    "As JSON, or as a form. In a form, what is nested is sent as JSON text, or under bracketed names: "
    "`metadata[campaign]`, `fallback_models[]`, `publish[0][platform]`."
)


class Refusal(NamedTuple):
    """A refusal: its name among the components, and what it means."""

    name: str
    description: str


REFUSALS: Mapping[str, Refusal] = MappingProxyType(
    {
        "400": Refusal(
            "BadRequest", "The request is wrong: `param` names the field, `message` the rule. Nothing was done."
        ),
        "401": Refusal(
            "Unauthorized",
            "The API key is missing, unknown, revoked or expired. Or a webhook has a wrong or old signature, or no "
            "video has its job (`unknown_job`). Nothing was done.",
        ),
        "403": Refusal(
            "Forbidden",
            "The API key has not the scope that this takes (`insufficient_scope`), or is limited to other accounts "
            "(`account_not_allowed`). Nothing was done.",
        ),
        "404": Refusal("NotFound", "It does not exist, or it belongs to another owner."),
        "409": Refusal(
            "Conflict",
            "Another request writes the same just now: send this one again. Or, as `already_decided`, what is asked "
            "for was decided before, or is no longer possible. Nothing was changed, unless `message` says what was.",
        ),
        "410": Refusal(
            "VideoDeleted", "The request was taken before, and its video was deleted since. Nothing was recorded."
        ),
        "413": Refusal("TooLarge", "The request or its picture is too large; POST /uploads takes larger pictures."),
        "422": Refusal("KeyReused", "The Idempotency-Key was used for another request. Nothing was recorded."),
        "429": Refusal(
            "LimitReached", "Too many requests or uploads, or the day's budget has no room. Nothing was recorded."
        ),
        "502": Refusal(
            "PublisherFailed",
            "The publisher refused it, or did not answer. With a `Retry-After` sending it again may help, and does no "
            "harm.",
        ),
        "503": Refusal(
            "NotStarted",
            "The video, or its posts, could not be started. Nothing was spent or posted: send the request again.",
        ),
        "5XX": Refusal(
            "Failure", "The service failed. Reading again is safe; a create may have been taken all the same."
        ),
    }
)
# The gateway and the scope check can refuse on every route.
ANYWHERE = ("401", "403", "429", "5XX")
HEADERS: Mapping[str, JsonObject] = MappingProxyType(
    {
        "Location": {
            "description": "Where the bytes are, for some minutes. The URL is a secret.",
            "required": True,
            "schema": {"type": "string", "format": "uri"},
        },
        "Retry-After": {
            "description": "After how many seconds to send the request again.",
            "schema": {"type": "integer", "minimum": 1},
        },
        "openai-poll-after-ms": {
            "description": f"How long to wait before asking for the video again; {POLL_AFTER_MS} as a rule.",
            "schema": {"type": "integer", "minimum": 1},
        },
    }
)
# On every response, as on OpenAI's: the resolver and the gateway add the request id.
REQUEST_ID: JsonObject = {
    "x-request-id": {
        "description": "The id of the request, under which the logs of the stack have it.",
        "required": True,
        "schema": {"type": "string"},
    }
}
_RETRIED = frozenset({"409", "429", "502", "503"})
IDEMPOTENCY_KEY: JsonObject = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A name of the caller's for this request: sent again within a day it makes no second video.",
    "schema": {"type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_MAX_CHARACTERS},
}


WEBHOOK_BODY: JsonObject = {
    "required": True,
    "description": "What the provider sends, signed by its rules; of it only the job is believed.",
    "content": {JSON: {"schema": {}}},
}


def describe_refusal(status: str) -> JsonObject:
    """Describe the response of a refusal."""
    refusal: JsonObject = {
        "description": REFUSALS[status].description,
        "content": {JSON: {"schema": refer_component(ErrorEnvelope.__name__)}},
        "headers": refer_headers(*REQUEST_ID),
    }
    if status in _RETRIED:
        refusal["headers"] |= refer_headers("Retry-After")
    return refusal


def refer_headers(*names: str) -> JsonObject:
    """Refer to headers by their names."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}

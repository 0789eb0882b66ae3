"""Verify a provider's webhook by its signature and the signed time, against forgery and replay.

Two schemes serve the providers that sign: Standard Webhooks (OpenAI, Replicate, Gemini's project-wide webhooks) and
fal's. The body must be the bytes as received; JSON that was parsed and written again has another signature.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from mediaposter.domain.errors import ConfigurationError, ErrorCode, VideoModelError, WebhookRejected

# The maximum difference between the sender's clock and ours. fal prescribes it; OpenAI's SDK and the reference
# implementations of Standard Webhooks use it.
_TOLERANCE = timedelta(seconds=300)

# int() would also take "1_0" and " 5", and eleven digits are a date that datetime can hold.
_TIMESTAMP = re.compile(r"[0-9]{1,11}")

_SECRET_PREFIX = "whsec_"  # noqa: S105 (what every secret begins with, no secret)
_SECRET_BYTES_MIN = 24

_ED25519_KEY_BYTES = 32
_ED25519_SIGNATURE = re.compile(r"[0-9a-fA-F]{128}")


def verify_standard_webhook(headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], now: datetime) -> str:
    """Verify a Standard Webhooks signature with HMAC-SHA256 (version `v1`), and return the webhook's id.

    The id stays the same when the provider sends the webhook again, so you can use it to drop duplicates.

    The scheme and its limits: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
    Who follows it: https://platform.openai.com/docs/guides/webhooks, https://ai.google.dev/gemini-api/docs/webhooks
    (static ones; those set per request bear a JWT instead),
    https://replicate.com/docs/topics/webhooks/verify-webhook.

    Args:
        headers: as they came, in any case.
        body: the raw body.
        secrets: the provider's secrets, `whsec_` and base64; any may match, so that you can rotate a secret while
            webhooks are in transit.
        now: the time in UTC.

    Raises:
        WebhookRejected: the webhook is not signed with one of the secrets, or is stale.
        ConfigurationError: there is no secret, or one is malformed.
    """
    keys = [_decode_secret(secret) for secret in secrets]
    if not keys:
        raise ConfigurationError(
            "No webhook can be verified without a signing secret: set the one that the provider gave for this address."
        )
    webhook_id = _take_header(headers, "webhook-id")
    # The parts are joined by full stops. A full stop inside the id could make a part of the body look like the time.
    if "." in webhook_id:
        raise WebhookRejected("The webhook-id header holds a full stop, which Standard Webhooks does not allow.")
    timestamp = _take_timestamp(headers, "webhook-timestamp", now)
    signatures = _take_header(headers, "webhook-signature").split()
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    # Compared together with their version, so that a signature of another version does not match.
    expected = [f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}" for key in keys]
    if not any(hmac.compare_digest(signature, match) for signature in signatures for match in expected):
        raise WebhookRejected(
            "No signature of the webhook matches: it was not signed with a secret that is set here, or it was changed "
            "on its way. If it is the provider's, set the secret that the provider shows for this address."
        )
    return webhook_id


class _Ed25519Key(BaseModel):
    """A JSON Web Key as in RFC 8037; fal's own example decodes `x` with its padding, which the RFC leaves out."""

    model_config = ConfigDict(frozen=True, val_json_bytes="base64")

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: Annotated[bytes, Field(min_length=_ED25519_KEY_BYTES, max_length=_ED25519_KEY_BYTES)]


class _KeySet(BaseModel):
    """A JSON Web Key Set; keys of other kinds stay unparsed."""

    model_config = ConfigDict(frozen=True)

    keys: tuple[Annotated[_Ed25519Key | JsonValue, Field(union_mode="left_to_right")], ...]


def parse_fal_keys(content: bytes) -> tuple[bytes, ...]:
    """Parse the public keys of fal's key set, 32 bytes each; keys of any other kind are skipped.

    It is at https://rest.fal.ai/.well-known/jwks.json and may be kept for 24 hours
    (https://docs.fal.ai/model-apis/model-endpoints/webhooks).

    Raises:
        VideoModelError: it is not a key set, or has no Ed25519 key.
    """
    try:
        key_set = _KeySet.model_validate_json(content)
    except ValidationError as error:
        raise VideoModelError(
            ErrorCode.PROVIDER_ERROR, "fal's response is not a set of public keys.", transient=True
        ) from error
    keys = tuple(key.x for key in key_set.keys if isinstance(key, _Ed25519Key))
    if not keys:
        raise VideoModelError(ErrorCode.PROVIDER_ERROR, "fal's key set has no key for Ed25519.", transient=True)
    return keys


def verify_fal_webhook(headers: Mapping[str, str], body: bytes, *, keys: Sequence[bytes], now: datetime) -> str:
    """Verify a webhook of fal, and return the id of its request.

    fal signs the webhooks of all customers with the same keys, and each customer chooses where a job's webhook goes. So
    this proves that fal sent it, not that the job is ours: look up the id among our own.

    The scheme: https://docs.fal.ai/model-apis/model-endpoints/webhooks; Ed25519: RFC 8032.

    Args:
        headers: as they came, in any case.
        body: the raw body.
        keys: from `parse_fal_keys`; any may match.
        now: the time in UTC.

    Raises:
        WebhookRejected: the webhook is not signed with one of the keys, or is stale.
    """
    request_id = _take_header(headers, "X-Fal-Webhook-Request-Id")
    user_id = _take_header(headers, "X-Fal-Webhook-User-Id")
    timestamp = _take_timestamp(headers, "X-Fal-Webhook-Timestamp", now)
    signature = _take_header(headers, "X-Fal-Webhook-Signature")
    if not _ED25519_SIGNATURE.fullmatch(signature):
        raise WebhookRejected("The X-Fal-Webhook-Signature header is not 64 bytes in hexadecimal.")
    message = "\n".join((request_id, user_id, timestamp, hashlib.sha256(body).hexdigest())).encode()
    if not any(_is_signed(message, bytes.fromhex(signature), key) for key in keys):
        raise WebhookRejected(
            "The webhook is not signed with one of fal's keys, or it was changed on its way. If it is fal's, "
            "fetch fal's public keys again: they change."
        )
    return request_id


def _decode_secret(secret: str) -> bytes:
    encoded = secret.removeprefix(_SECRET_PREFIX)
    try:
        # Some providers omit the padding.
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith(_SECRET_PREFIX) or len(key) < _SECRET_BYTES_MIN:
        raise ConfigurationError(
            f"A signing secret for webhooks must be {_SECRET_PREFIX} and the base64 of at least {_SECRET_BYTES_MIN} "
            "bytes: set it exactly as the provider shows it."
        )
    return key


def _take_header(headers: Mapping[str, str], name: str) -> str:
    value = next((value for key, value in headers.items() if key.lower() == name.lower()), "")
    if not value:
        raise WebhookRejected(f"The webhook has no {name} header.")
    # A line break would shift the parts of fal's message, and only ASCII can be compared safely.
    if not (value.isascii() and value.isprintable()):
        raise WebhookRejected(f"The {name} header holds characters other than printable ASCII.")
    return value


def _take_timestamp(headers: Mapping[str, str], name: str, now: datetime) -> str:
    value = _take_header(headers, name)
    if not _TIMESTAMP.fullmatch(value):
        raise WebhookRejected(f"The {name} header is not a whole number of seconds since 1970.")
    if abs(now - datetime.fromtimestamp(int(value), UTC)) > _TOLERANCE:
        raise WebhookRejected(
            f"The {name} header is more than {_TOLERANCE.total_seconds():.0f} seconds away from the time here: the "
            "webhook is a replay, or one of the clocks is wrong."
        )
    return value


def _is_signed(message: bytes, signature: bytes, key: bytes) -> bool:
    # A large import with its own library; only the Lambda that receives webhooks needs it.
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 (see above)
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 (see above)

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        return False
    return True

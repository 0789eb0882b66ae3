"""Tests of the webhooks' signatures; each signer is written from the published scheme, not from our code."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import openai
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from mediaposter.ai.webhook_signature import _is_signed, parse_fal_keys, verify_fal_webhook, verify_standard_webhook
from mediaposter.domain.errors import ConfigurationError, ErrorCode, VideoModelError, WebhookRejected
from tests.unit.ai import signing

Headers = dict[str, str]

# The vector that the reference implementations of Standard Webhooks share (`sign function works` in
# https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries/javascript/src/webhook.test.ts).
PUBLISHED_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PUBLISHED_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
PUBLISHED_TIMESTAMP = 1614265330
PUBLISHED_NOW = datetime.fromtimestamp(PUBLISHED_TIMESTAMP, UTC)
PUBLISHED_BODY = b'{"test": 2432232314}'
PUBLISHED_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

OTHER_SECRET = "whsec_" + base64.b64encode(b"another secret, of 32 bytes, all").decode()
STANDARD_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")

# RFC 8032, section 7.1, TEST 1 and 2: seed, public key, message, signature.
RFC_8032 = (
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595b"
            "be24655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb430"
            "2aeeb00d291612bb0c00"
        ),
    ),
)
# RFC 8037, appendix A.2: the public key of TEST 1 as a JSON Web Key.
RFC_8037_KEY = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}

FAL_SEED = bytes.fromhex(RFC_8032[0][0])
FAL_KEY = bytes.fromhex(RFC_8032[0][1])
OTHER_KEY = bytes.fromhex(RFC_8032[1][1])
FAL_REQUEST_ID = "123e4567-e89b-12d3-a456-426614174000"
FAL_USER_ID = "user-of-the-test"
FAL_TIMESTAMP = 1703769600
FAL_NOW = datetime.fromtimestamp(FAL_TIMESTAMP, UTC)
FAL_BODY = b'{"request_id": "123e4567-e89b-12d3-a456-426614174000", "status": "OK"}'
# Made with `openssl pkeyutl -sign -rawin` over the message as fal's documentation puts it together.
FAL_SIGNATURE = (
    "1fbcd476b4a6253efeb47c6e707f19685c517e1cab0f316a098c6934ff0ebd8cf4d3262a2a9e657479e3c9893bac3b156978557264f1506f"
    "c0418d5a1a4f8207"
)
FAL_HEADERS = (
    "X-Fal-Webhook-Request-Id",
    "X-Fal-Webhook-User-Id",
    "X-Fal-Webhook-Timestamp",
    "X-Fal-Webhook-Signature",
)

ANY_TEXT = st.text(st.characters()) | st.text(st.sampled_from("0123456789abcdefv1,+/= ")) | st.binary().map(repr)

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.sampled_from(list(RFC_8037_KEY.values())),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["keys", *RFC_8037_KEY]) | st.text(), inner),
    max_leaves=10,
)


def sign_standard(
    body: bytes = PUBLISHED_BODY,
    *,
    webhook_id: str = PUBLISHED_ID,
    timestamp: str = str(PUBLISHED_TIMESTAMP),
    secret: str = PUBLISHED_SECRET,
) -> Headers:
    return signing.sign_standard(body, secret, webhook_id=webhook_id, at=timestamp)


def verify_standard(
    headers: Headers,
    body: bytes = PUBLISHED_BODY,
    *,
    secrets: tuple[str, ...] = (PUBLISHED_SECRET,),
    now: datetime = PUBLISHED_NOW,
) -> str:
    return verify_standard_webhook(headers, body, secrets=secrets, now=now)


def sign_fal(
    body: bytes = FAL_BODY,
    *,
    request_id: str = FAL_REQUEST_ID,
    user_id: str = FAL_USER_ID,
    timestamp: str = str(FAL_TIMESTAMP),
    seed: bytes = FAL_SEED,
) -> Headers:
    message = f"{request_id}\n{user_id}\n{timestamp}\n{hashlib.sha256(body).hexdigest()}".encode()
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(message).hex()
    return dict(zip(FAL_HEADERS, (request_id, user_id, timestamp, signature), strict=True))


def verify_fal(
    headers: Headers,
    body: bytes = FAL_BODY,
    *,
    keys: tuple[bytes, ...] = (FAL_KEY,),
    now: datetime = FAL_NOW,
) -> str:
    return verify_fal_webhook(headers, body, keys=keys, now=now)


def key_set(*keys: object) -> bytes:
    return json.dumps({"keys": keys}).encode()


def without(headers: Headers, name: str) -> Headers:
    return {key: value for key, value in headers.items() if key != name}


def flip_bit(body: bytes, position: int) -> bytes:
    changed = bytearray(body)
    changed[position // 8] ^= 1 << position % 8
    return bytes(changed)


# Not times, or times that were not written as the schemes write them.
NO_TIMESTAMPS = ["-1", " {now}", "{now}.0", "{now}\n", "0_{now}", "9" * 12, "9" * 5000, "١٢٣"]


# Standard Webhooks


def test_the_published_vector_is_verified_and_gives_its_id() -> None:
    headers = {
        "webhook-id": PUBLISHED_ID,
        "webhook-timestamp": str(PUBLISHED_TIMESTAMP),
        "webhook-signature": PUBLISHED_SIGNATURE,
    }
    assert verify_standard(headers) == PUBLISHED_ID
    # And so do the tests sign.
    assert sign_standard() == headers


@pytest.mark.parametrize("spell", [str.upper, str.lower])
def test_headers_are_found_in_any_case(spell: Callable[[str], str]) -> None:
    assert verify_standard({spell(name): value for name, value in sign_standard().items()}) == PUBLISHED_ID


@pytest.mark.parametrize("seconds", [-300, 300])
def test_a_webhook_within_five_minutes_is_taken(seconds: int) -> None:
    assert verify_standard(sign_standard(), now=PUBLISHED_NOW + timedelta(seconds=seconds)) == PUBLISHED_ID


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_webhook_of_another_time_is_refused(seconds: int) -> None:
    with pytest.raises(WebhookRejected, match="300 seconds away"):
        verify_standard(sign_standard(), now=PUBLISHED_NOW + timedelta(seconds=seconds))


def test_a_time_without_its_zone_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError):
        verify_standard(sign_standard(), now=PUBLISHED_NOW.replace(tzinfo=None))


@pytest.mark.parametrize("secrets", [(PUBLISHED_SECRET, OTHER_SECRET), (OTHER_SECRET, PUBLISHED_SECRET)])
def test_any_secret_may_match_while_one_replaces_the_other(secrets: tuple[str, ...]) -> None:
    assert verify_standard(sign_standard(), secrets=secrets) == PUBLISHED_ID


def test_the_last_of_several_signatures_may_match() -> None:
    signatures = f"v1a,AAAA {sign_standard(secret=OTHER_SECRET)['webhook-signature']} nonsense {PUBLISHED_SIGNATURE}"
    assert verify_standard(sign_standard() | {"webhook-signature": signatures}) == PUBLISHED_ID


@pytest.mark.parametrize("prefix", ["v2,", "v1", ""])
def test_a_signature_of_an_unknown_version_is_no_signature(prefix: str) -> None:
    signature = prefix + PUBLISHED_SIGNATURE.removeprefix("v1,")
    with pytest.raises(WebhookRejected, match="No signature"):
        verify_standard(sign_standard() | {"webhook-signature": signature})


@given(position=st.integers(0, 8 * len(PUBLISHED_BODY) - 1))
def test_a_body_that_was_changed_is_refused(position: int) -> None:
    with pytest.raises(WebhookRejected, match="No signature") as refused:
        verify_standard(sign_standard(), flip_bit(PUBLISHED_BODY, position))
    assert PUBLISHED_SECRET.removeprefix("whsec_") not in str(refused.value)
    assert "test" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"), [("webhook-id", "msg_other"), ("webhook-timestamp", str(PUBLISHED_TIMESTAMP + 1))]
)
def test_what_the_signature_covers_beside_the_body_cannot_be_changed(name: str, value: str) -> None:
    with pytest.raises(WebhookRejected, match="No signature"):
        verify_standard(sign_standard() | {name: value})


def test_a_full_stop_in_the_id_cannot_pass_some_of_an_old_body_for_its_time() -> None:
    signed_long_ago = sign_standard(b"%d.{}" % PUBLISHED_TIMESTAMP, webhook_id="msg_1", timestamp="1000000000")
    headers = signed_long_ago | {"webhook-id": "msg_1.1000000000", "webhook-timestamp": str(PUBLISHED_TIMESTAMP)}
    with pytest.raises(WebhookRejected, match="full stop"):
        verify_standard(headers, b"{}")


@pytest.mark.parametrize("name", STANDARD_HEADERS)
def test_a_webhook_without_one_of_the_headers_is_refused(name: str) -> None:
    for headers in (without(sign_standard(), name), sign_standard() | {name: ""}):
        with pytest.raises(WebhookRejected, match=f"no {name} header"):
            verify_standard(headers)


@pytest.mark.parametrize("text", NO_TIMESTAMPS, ids=ascii)
def test_a_time_that_is_no_number_of_seconds_is_refused_even_signed(text: str) -> None:
    timestamp = text.format(now=PUBLISHED_TIMESTAMP)
    with pytest.raises(WebhookRejected, match=r"webhook-timestamp header (is not a whole number|holds characters)"):
        verify_standard(sign_standard(timestamp=timestamp))


@given(text=ANY_TEXT)
@pytest.mark.parametrize("name", STANDARD_HEADERS)
def test_any_text_in_one_header_is_refused_and_nothing_else(name: str, text: str) -> None:
    with pytest.raises(WebhookRejected):
        verify_standard(sign_standard() | {name: text})


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwé",
        "whsec_-_KQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    ],
    ids=ascii,
)
def test_a_malformed_secret_is_an_error_that_says_how_one_looks(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="must be whsec_ and the base64 of at least 24 bytes") as refused:
        verify_standard(sign_standard(), secrets=(PUBLISHED_SECRET, secret))
    assert secret.removeprefix("whsec_") == "" or secret not in str(refused.value)
    assert refused.value.__context__ is None


def test_without_any_secret_nothing_is_verified() -> None:
    with pytest.raises(ConfigurationError, match="without a signing secret"):
        verify_standard(sign_standard(), secrets=())


def test_a_secret_without_its_padding_is_taken_as_the_reference_implementations_do() -> None:
    secret = "whsec_" + base64.b64encode(bytes(25)).decode()
    assert secret.endswith("==")
    assert verify_standard(sign_standard(secret=secret), secrets=(secret.rstrip("="),)) == PUBLISHED_ID


def test_the_sdk_of_openai_agrees_on_a_webhook_of_now() -> None:
    now = datetime.now(UTC)
    headers = sign_standard(timestamp=str(int(now.timestamp())))
    webhooks = openai.OpenAI(api_key="key-of-the-test", webhook_secret=PUBLISHED_SECRET).webhooks
    webhooks.verify_signature(PUBLISHED_BODY, headers)
    assert verify_standard(headers, now=now) == PUBLISHED_ID


# fal's keys


def test_the_published_json_web_key_is_the_published_public_key() -> None:
    for padding in ("", "="):
        assert parse_fal_keys(key_set(RFC_8037_KEY | {"x": RFC_8037_KEY["x"] + padding})) == (FAL_KEY,)


@pytest.mark.parametrize(
    "unknown",
    [
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        RFC_8037_KEY | {"kty": "EC"},
        RFC_8037_KEY | {"crv": "Ed448"},
        RFC_8037_KEY | {"x": base64.urlsafe_b64encode(bytes(31)).decode()},
        RFC_8037_KEY | {"x": "*" * 43},
        None,
    ],
    ids=ascii,
)
def test_a_key_that_is_not_for_us_is_skipped(unknown: object) -> None:
    other = RFC_8037_KEY | {"x": base64.urlsafe_b64encode(OTHER_KEY).decode().rstrip("="), "kid": "2"}
    assert parse_fal_keys(key_set(unknown, RFC_8037_KEY, unknown, other)) == (FAL_KEY, OTHER_KEY)


@pytest.mark.parametrize(
    "content",
    [b"<html>", b"{}", b'{"keys": {}}', b"\xff", b"[" * 10_000, key_set()],
    ids=lambda content: ascii(content[:20]),
)
def test_what_is_no_key_set_is_a_passing_fault_of_the_provider(content: bytes) -> None:
    with pytest.raises(VideoModelError, match=r"not a set of public keys|no key for Ed25519") as refused:
        parse_fal_keys(content)
    assert refused.value.code is ErrorCode.PROVIDER_ERROR
    assert refused.value.transient


@given(content=st.binary() | JSON.map(key_set))
def test_a_document_of_any_kind_gives_keys_of_32_bytes_or_a_known_error(content: bytes) -> None:
    try:
        lengths = {len(key) for key in parse_fal_keys(content)}
    except VideoModelError:
        return
    assert lengths == {32}


# fal's webhooks


@pytest.mark.parametrize(("seed", "key", "message", "signature"), RFC_8032)
def test_the_published_signatures_are_verified(seed: str, key: str, message: str, signature: str) -> None:
    assert Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)).sign(bytes.fromhex(message)).hex() == signature
    assert _is_signed(bytes.fromhex(message), bytes.fromhex(signature), bytes.fromhex(key))
    assert not _is_signed(bytes.fromhex(message) + b"\0", bytes.fromhex(signature), bytes.fromhex(key))


def test_a_webhook_that_openssl_signed_is_verified_and_gives_its_request() -> None:
    headers = dict(zip(FAL_HEADERS, (FAL_REQUEST_ID, FAL_USER_ID, str(FAL_TIMESTAMP), FAL_SIGNATURE), strict=True))
    assert verify_fal(headers, keys=parse_fal_keys(key_set(RFC_8037_KEY))) == FAL_REQUEST_ID
    assert verify_fal(headers | {"X-Fal-Webhook-Signature": FAL_SIGNATURE.upper()}) == FAL_REQUEST_ID


@pytest.mark.parametrize("keys", [(FAL_KEY, OTHER_KEY), (OTHER_KEY, FAL_KEY), (bytes([2, *bytes(31)]), FAL_KEY)])
def test_any_of_fals_keys_may_match(keys: tuple[bytes, ...]) -> None:
    assert verify_fal(sign_fal(), keys=keys) == FAL_REQUEST_ID


@pytest.mark.parametrize("keys", [(OTHER_KEY,), ()])
def test_a_webhook_that_no_key_of_fal_signed_is_refused(keys: tuple[bytes, ...]) -> None:
    with pytest.raises(WebhookRejected, match="not signed with one of fal's keys"):
        verify_fal(sign_fal(), keys=keys)


@pytest.mark.parametrize(
    ("changes", "body", "seconds", "sentence"),
    [
        ({}, FAL_BODY + b" ", 0, "not signed"),
        ({"X-Fal-Webhook-Request-Id": "another"}, FAL_BODY, 0, "not signed"),
        ({"X-Fal-Webhook-User-Id": "another"}, FAL_BODY, 0, "not signed"),
        ({"X-Fal-Webhook-Timestamp": str(FAL_TIMESTAMP + 1)}, FAL_BODY, 0, "not signed"),
        ({"X-Fal-Webhook-User-Id": ""}, FAL_BODY, 0, "no X-Fal-Webhook-User-Id header"),
        ({"X-Fal-Webhook-Timestamp": "1e9"}, FAL_BODY, 0, "not a whole number"),
        ({}, FAL_BODY, 301, "300 seconds away"),
    ],
)
def test_a_webhook_of_fal_that_was_changed_or_is_stale_is_refused(
    changes: Headers, body: bytes, seconds: int, sentence: str
) -> None:
    with pytest.raises(WebhookRejected, match=sentence):
        verify_fal(sign_fal() | changes, body, now=FAL_NOW + timedelta(seconds=seconds))


def test_a_line_break_cannot_move_the_border_between_request_and_user() -> None:
    headers = sign_fal(user_id="a\nb") | {
        "X-Fal-Webhook-Request-Id": f"{FAL_REQUEST_ID}\na",
        "X-Fal-Webhook-User-Id": "b",
    }
    with pytest.raises(WebhookRejected, match="printable ASCII"):
        verify_fal(headers)


@pytest.mark.parametrize(
    "signature",
    [FAL_SIGNATURE[:-2], FAL_SIGNATURE + "00", "g" * 128, "é" * 128],
    ids=ascii,
)
def test_a_signature_of_fal_that_is_no_hexadecimal_of_its_length_is_refused(signature: str) -> None:
    with pytest.raises(WebhookRejected, match="X-Fal-Webhook-Signature"):
        verify_fal(sign_fal() | {"X-Fal-Webhook-Signature": signature})


def test_cryptography_is_loaded_for_fal_alone() -> None:
    program = "import sys, mediaposter.ai.webhook_signature; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

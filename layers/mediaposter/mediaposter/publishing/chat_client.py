"""Ask a model for text, at any server that speaks OpenAI's chat completions.

https://developers.openai.com/api/reference, "Chat Completions": `POST /chat/completions` with a JSON schema as
`response_format`. Ollama, vLLM, LiteLLM and others speak it, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from pydantic import Field

from mediaposter.domain.errors import CaptionsError
from mediaposter.http.addresses import parse_base_url
from mediaposter.http.reply import Reply, WireModel, clean_sentence, read_model
from mediaposter.http.vendor import Vendor
from mediaposter.publishing.chat_interface import ChatAnswer, Tokens

BASE_URL = "https://api.openai.com/v1"
# Two calls are made within the 29 seconds of API Gateway.
CALL_SECONDS = 12.0
_CONNECT_SECONDS = 4.0
_REPLY_BYTES_MAX = 1024 * 1024
# More is no count of one call's tokens.
_TOKENS_MAX = 100_000_000
_KEY_HINT = " Check its key: CAPTIONS_API_KEY, or the secret captions-api-key."
_MONEY_HINT = " Its account may have no money left."
_HINTS = {
    401: _KEY_HINT,
    402: _MONEY_HINT,
    403: _KEY_HINT,
    429: " It had too many calls, or its account no money left.",
}


class _Message(WireModel):
    content: str | None = None


class _Choice(WireModel):
    message: _Message


class _Usage(WireModel):
    prompt_tokens: int = Field(ge=0, le=_TOKENS_MAX)
    completion_tokens: int = Field(ge=0, le=_TOKENS_MAX)


class _Completion(WireModel):
    choices: list[_Choice]


class _Bill(WireModel):
    """What was used. It is read apart: an answer counts also if its usage cannot be read."""

    usage: _Usage


class ChatClient:
    """One model at one server."""

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str,
        model: str,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Take the key, the address and the model.

        Raises:
            ConfigurationError: the key or the address is no such.
        """
        self._model = model
        self._key = api_key
        self._server = Vendor(
            base_url=parse_base_url(base_url or BASE_URL, BASE_URL),
            api_key=api_key,
            errors=_Errors(),
            transport=transport,
            timeout_seconds=CALL_SECONDS,
            connect_seconds=_CONNECT_SECONDS,
            max_reply_bytes=_REPLY_BYTES_MAX,
        )

    def complete(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> ChatAnswer:
        """Send one request, and give the text of the answer, which may be anything; "" is none.

        Raises:
            CaptionsError: the server did not answer, or refused the request.
        """
        body = {
            "model": self._model,
            "messages": list(messages),
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "captions", "strict": True, "schema": dict(schema)},
            },
        }
        reply = self._server.submit("/chat/completions", json=body)
        if not reply.is_success:
            raise _refuse(reply, self._key)
        completion = read_model(_Completion, reply.body)
        text = (completion.choices[0].message.content or "") if completion and completion.choices else ""
        bill = read_model(_Bill, reply.body)
        tokens = None if bill is None else Tokens(bill.usage.prompt_tokens, bill.usage.completion_tokens)
        return ChatAnswer(text, tokens)


def _refuse(reply: Reply, key: str) -> CaptionsError:
    passes = reply.status_code in (408, 409, 429) or reply.status_code >= 500
    hint = _HINTS.get(reply.status_code, "")
    return CaptionsError(
        f"The model for captions answered {reply.status_code}.{clean_sentence(hint, key)}", passes=passes
    )


class _Errors:
    """Reports calls without an answer; none holds the error's text, which may repeat the address."""

    def refuse_request(self, reason: str) -> CaptionsError:
        return CaptionsError(f"The call for captions cannot be written: {clean_sentence(reason)}.", passes=False)

    def lose_submission(self, error: httpx.RequestError, *, was_sent: bool) -> CaptionsError:
        reason = f"The model for captions did not answer: {type(error).__name__}."
        return CaptionsError(reason, passes=True, may_be_charged=was_sent)

    def lose_question(self, error: httpx.RequestError) -> CaptionsError:
        return self.lose_submission(error, was_sent=True)

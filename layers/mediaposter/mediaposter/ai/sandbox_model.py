"""Call the local cloud's own model (`make cloud`), which draws a clip for any prompt and needs no real key."""

from __future__ import annotations

from mediaposter.ai.sora_model import SoraVideoModel


class SandboxVideoModel(SoraVideoModel):
    """The local stack's model, which speaks OpenAI's `/v1/videos`.

    It has no fixed address: the local stack takes free ports, and writes them into `.local/stack.json`.
    """

    provider = "sandbox"
    needs_api_key = False
    # The stand-in's default key; it is valid nowhere else.
    default_api_key = "sk-sandbox"

"""Pika's models, which only fal serves (https://pika.art/api leads there)."""

from __future__ import annotations

from mediaposter.ai.fal_model import FalVideoModel


class PikaVideoModel(FalVideoModel):
    """A model of Pika, called through fal with fal's key."""

    provider = "pika"
    account = "fal"

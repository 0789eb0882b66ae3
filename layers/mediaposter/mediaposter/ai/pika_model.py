"""Offer Pika's models, which exist only behind fal (https://pika.art/api leads there)."""

from __future__ import annotations

from mediaposter.ai.fal_model import FalVideoModel


class PikaVideoModel(FalVideoModel):
    """A model of Pika's, asked for at fal with fal's key."""

    provider = "pika"
    account = "fal"

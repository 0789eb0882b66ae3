"""The request to ProbeVideoFunction, which has no keys, and its reply."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from mediaposter.media.probe import Probe


class StoredVersion(BaseModel):
    """One version of an object in the bucket; without an id, the object of a bucket that keeps no versions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    version_id: str | None = None


class Inspection(BaseModel):
    """The probe of a playable video, its thumbnail (WebP) and its spritesheet (JPEG)."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")

    probe: Probe
    thumbnail: bytes
    spritesheet: bytes


class InspectionReply(BaseModel):
    """An inspection, or the reason why the file is not a playable video."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")

    inspection: Inspection | None = None
    refusal: str | None = None

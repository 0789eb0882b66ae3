"""Recognize Content Credentials, a C2PA manifest, in the boxes of an MP4; nothing is verified.

The box is that of the C2PA specification, "Embedding manifests into BMFF-based assets": a top-level `uuid` box whose
purpose is not `merkle`, which holds hashes only, or a JUMBF superbox `jumb` of the type of a manifest store.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

Provenance = Literal["c2pa"]

# Of a box's body: a uuid, version and flags, and the beginning of its purpose.
BODY_BYTES = 28

_C2PA_BOX = UUID("d8fec3d6-1b0e-483c-9297-5828877ec481").bytes
_MANIFEST_STORE = UUID("63327061-0011-0010-8000-00aa00389b71").bytes
_PURPOSE_AT = 20
_HASHES = b"merkle\0"


def find_provenance(box_type: str, body: bytes) -> Provenance | None:
    """Tell what a top-level box says of where the video comes from, by the first `BODY_BYTES` of its body."""
    if box_type == "uuid" and body.startswith(_C2PA_BOX):
        return None if body[_PURPOSE_AT:].startswith(_HASHES) else "c2pa"
    # Its first box describes it: size and type, then the uuid of what it holds (ISO/IEC 19566-5).
    if box_type == "jumb" and body[4:8] == b"jumd" and body[8:].startswith(_MANIFEST_STORE):
        return "c2pa"
    return None

"""The studio: one HTML file, which needs no key. Its script asks for one, and sends it to the API of this origin.

This function has no layer, so it imports the standard library alone. The embedded host serves the same `Page`.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

_FILE = Path(__file__).with_name("studio.html")
# The build writes the hashes of its script and its style into the page (studio/vite.config.js).
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">')
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    # Kept by the browser, and asked for anew each time: the answer is 304 until the file changes.
    "Cache-Control": "no-cache",
    "Vary": "Accept, Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Answer(NamedTuple):
    """An HTTP response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Page:
    """The page with its policy, compressed once."""

    def __init__(self, html: bytes, *, files_origins: str = "") -> None:
        """Take the built page.

        Args:
            html: the page.
            files_origins: where links to videos lead, if not to the page's own origin; with spaces between them.
        """
        # Weak: the compressed bytes are the same page.
        etag = f'W/"{hashlib.sha256(html).hexdigest()[:32]}"'
        policy = _write_policy(html.decode(), files=f"'self' {files_origins}".strip())
        self._headers = {**_HEADERS, "Content-Security-Policy": policy, "ETag": etag}
        self._html, self._gzipped = html, gzip.compress(html, 9, mtime=0)

    def answer(self, headers: Mapping[str, str]) -> Answer:
        """Answer a request; the names of its headers are in lower case."""
        named = [tag.strip() for tag in headers.get("if-none-match", "").split(",")]
        if self._headers["ETag"] in named:
            return Answer(304, self._headers, b"")
        # API Gateway sends bytes only to a client whose first media type is a binary one of the API (template.yaml).
        # https://docs.aws.amazon.com/apigateway/latest/developerguide/lambda-proxy-binary-media.html
        is_browser = headers.get("accept", "").startswith("text/html")
        if is_browser and "gzip" in headers.get("accept-encoding", ""):
            return Answer(200, {**self._headers, "Content-Encoding": "gzip"}, self._gzipped)
        return Answer(200, self._headers, self._html)


def _write_policy(html: str, *, files: str) -> str:
    """Write what the page may load: its own script and style, and what is at these addresses."""
    hashes = _POLICY.findall(html)[0]
    return (
        f"default-src 'none'; {hashes}; connect-src {files}; img-src {files} data: blob:; media-src {files} blob:; "
        "frame-ancestors 'none'"
    )


def read_page(*, files_origins: str = "") -> Page:
    """Read the page that was built beside this file."""
    return Page(_FILE.read_bytes(), files_origins=files_origins)


@cache
def _page() -> Page:
    # The local cloud has its buckets at its own address (mediaposter/aws.py).
    elsewhere = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return read_page(files_origins=elsewhere or os.environ["FILES_ORIGINS"])


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer GET /studio as API Gateway asks for it."""
    del context
    answer = _page().answer({name.lower(): value for name, value in (event.get("headers") or {}).items()})
    is_gzipped = "Content-Encoding" in answer.headers
    return {
        "statusCode": answer.status,
        "headers": dict(answer.headers),
        "body": base64.b64encode(answer.body).decode() if is_gzipped else answer.body.decode(),
        "isBase64Encoded": is_gzipped,
    }

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

    def __init__(self, html: bytes, *, files_origin: str | None = None) -> None:
        """Take the built page.

        Args:
            html: the page.
            files_origin: where the links to videos lead, if not to the page's own origin.

        Raises:
            ValueError: the page has no policy.
        """
        found = _POLICY.search(html.decode())
        if found is None:
            raise ValueError("The studio's page names no hashes of its script and style: run `make studio`.")
        self._html = html
        self._gzipped = gzip.compress(html, 9, mtime=0)
        files = f"'self' {files_origin}" if files_origin else "'self'"
        policy = (
            f"default-src 'none'; {found[1]}; connect-src {files}; img-src {files} data: blob:; media-src {files} blob:; "
            "frame-ancestors 'none'"
        )
        # Weak: the compressed bytes are the same page.
        etag = f'W/"{hashlib.sha256(html).hexdigest()[:32]}"'
        self._headers = {**_HEADERS, "Content-Security-Policy": policy, "ETag": etag}

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


def read_page(*, files_origin: str | None = None) -> Page:
    """Read the page that was built beside this file."""
    return Page(_FILE.read_bytes(), files_origin=files_origin)


@cache
def _page() -> Page:
    return read_page(files_origin=os.environ["FILES_ORIGIN"])


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

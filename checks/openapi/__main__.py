"""Check the OpenAPI documents, or write them with `--write`."""

from __future__ import annotations

from checks.command import keep
from checks.openapi import check_openapi, write_documents

if __name__ == "__main__":
    keep(write_documents, check_openapi)

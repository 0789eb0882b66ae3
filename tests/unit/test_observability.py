"""What the lines of the log look like."""

from __future__ import annotations

import json
import logging
import re

from mediaposter.observability import SERVICE, logger


def test_a_line_has_its_time_in_rfc_3339_and_its_service() -> None:
    record = logging.LogRecord("mediaposter", logging.INFO, __file__, 1, "swept", None, None)

    line = json.loads(logger.registered_formatter.format(record))

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d)", line["timestamp"])
    assert (line["service"], line["message"]) == (SERVICE, "swept")

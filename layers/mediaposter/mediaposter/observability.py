"""One logger and one set of metrics for all functions.

Nothing logs a prompt, a caption, a key or a presigned URL: log ids, states and codes.
"""

from __future__ import annotations

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric

# Service and level come from POWERTOOLS_SERVICE_NAME and POWERTOOLS_LOG_LEVEL, set by the template.
logger = Logger()


def count_metric(name: str, *, stack: str) -> None:
    """Add one to a metric of this stack, written as an embedded metric to the log."""
    with single_metric(name=name, unit=MetricUnit.Count, value=1, namespace="MediaPoster") as metric:
        metric.add_dimension(name="stack", value=stack)

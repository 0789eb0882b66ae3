"""The errors that API Gateway answers itself, before or instead of a route.

`template.yaml` has the same texts in its GatewayResponses, under these names; the embedded host answers them from here.
https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
"""

from __future__ import annotations

from typing import NamedTuple

from mediaposter.domain.errors import ErrorType
from mediaposter.domain.problem import Problem
from mediaposter.wire.errors import ErrorEnvelope, present_problem


class GatewayError(NamedTuple):
    """An error of the gateway.

    Attributes:
        name: API Gateway's type of the response, which the access log has too.
        status: its HTTP status.
        body: the envelope.
        retry_after_seconds: the header Retry-After, if it has one.
    """

    name: str
    status: int
    body: ErrorEnvelope
    retry_after_seconds: int | None = None


def _write(code: str, message: str, error_type: ErrorType = ErrorType.INVALID_REQUEST) -> ErrorEnvelope:
    return ErrorEnvelope(error=present_problem(Problem(code=code, message=message), error_type))


UNAUTHORIZED = GatewayError(
    "UNAUTHORIZED",
    401,
    _write(
        "invalid_api_key",
        "No API key was given, or none of the form that this stack makes. Send the header Authorization: Bearer mp_…",
    ),
)
ACCESS_DENIED = GatewayError(
    "ACCESS_DENIED",
    401,
    _write("invalid_api_key", "This API key is not known here, or was revoked or has expired."),
)
NO_ROUTE = GatewayError(
    "MISSING_AUTHENTICATION_TOKEN",
    404,
    _write("not_found", "There is no such route."),
)
REQUEST_TOO_LARGE = GatewayError(
    "REQUEST_TOO_LARGE",
    413,
    _write(
        "request_too_large",
        "The request is too large. A form may have 4.6 MB; JSON may have 6 MB, and each quote in it counts twice. Put "
        "a larger picture, or a file with the rows of a batch, to the URL that POST /uploads gives. Nothing was "
        "recorded.",
    ),
)
THROTTLED = GatewayError(
    "THROTTLED",
    429,
    _write("rate_limit_exceeded", "Too many requests at once. Wait a second and ask again.", ErrorType.RATE_LIMIT),
    retry_after_seconds=1,
)
FAILED = GatewayError(
    "DEFAULT_5XX",
    500,
    _write(
        "internal_error",
        "The service failed to answer. Reading again is safe; a create may have been taken although no answer came.",
        ErrorType.SERVER,
    ),
)
TIMED_OUT = GatewayError(
    "INTEGRATION_TIMEOUT",
    504,
    _write(
        "timeout",
        "The service did not answer in time. Reading again is safe; a create may have been taken although no answer "
        "came.",
        ErrorType.SERVER,
    ),
)
# DEFAULT_4XX is not here: its message is API Gateway's own.
GATEWAY_ERRORS = (UNAUTHORIZED, ACCESS_DENIED, NO_ROUTE, REQUEST_TOO_LARGE, THROTTLED, FAILED, TIMED_OUT)

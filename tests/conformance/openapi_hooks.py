"""What Schemathesis, which loads this by its path, knows of the local cloud.

It runs few Lambdas at once, and refuses others in words of its own before the API is reached.
"""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis.core.failures import Failure


@schemathesis.hook
def after_call(
    context: schemathesis.HookContext, case: schemathesis.Case[Any], response: schemathesis.Response
) -> None:
    """Have a request sent again that did not reach the API."""
    if _is_of_the_cloud(response):
        response.headers["retry-after"] = ["1"]


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext, failure: Failure, case: schemathesis.Case[Any], response: schemathesis.Response
) -> bool:
    """Keep what the API itself answered."""
    return not _is_of_the_cloud(response)


def _is_of_the_cloud(response: schemathesis.Response) -> bool:
    return response.status_code == 429 and b"TooManyRequestsException" in response.content

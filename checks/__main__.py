"""Run every check of this package, in one process."""

from __future__ import annotations

from itertools import chain

from checks.account import check_account
from checks.asl import check_asl
from checks.cli import check_cli
from checks.command import run
from checks.events import check_events
from checks.mcp import check_mcp
from checks.metrics import check_metrics
from checks.networks import check_networks
from checks.openapi import check_openapi
from checks.prose import check_prose
from checks.requirements import check_requirements
from checks.template import check_template
from checks.upgrade import check_upgrade

_CHECKS = (
    *(check_template, check_account, check_upgrade, check_metrics, check_asl, check_requirements),
    *(check_openapi, check_mcp, check_events, check_networks, check_cli, check_prose),
)

if __name__ == "__main__":
    run(lambda root: chain.from_iterable(check(root) for check in _CHECKS))

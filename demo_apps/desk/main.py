"""Desk's command line. The billing service's key comes from the environment, never from the command line."""

import os
from functools import partial

from shared.hub_app import parser_for, run
from shared.web import fail

from desk.app import create_app

KEY_VARIABLE = "DEMO_BILLING_KEY"


def main() -> None:
    """Parse the command line and serve."""
    parser = parser_for("desk", port=9003, description="Desk: both apps side by side, and the session they share.")
    arguments = parser.parse_args()
    key = os.environ.get(KEY_VARIABLE, "")
    if not key:
        fail(f"the billing service's key is missing: set {KEY_VARIABLE} in the environment")
    run(arguments, "desk", partial(create_app, billing_key=key), os.environ)

"""Account's command line."""

import os

from shared.hub_app import parser_for, run

from app_a.app import create_app


def main() -> None:
    """Parse the command line and serve."""
    parser = parser_for("a", port=9001, description="Account: profile and preferences of one session.")
    run(parser.parse_args(), "a", create_app, os.environ)

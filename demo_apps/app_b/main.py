"""Shop's command line."""

import os

from shared.hub_app import parser_for, run

from app_b.app import create_app


def main() -> None:
    """Parse the command line and serve."""
    parser = parser_for("b", port=9002, description="Shop: the cart of one session.")
    run(parser.parse_args(), "b", create_app, os.environ)

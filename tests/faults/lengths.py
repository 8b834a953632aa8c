"""How long the proof takes: seconds in ``make test``, minutes in ``make faults`` (``FAULTS=long``)."""

from __future__ import annotations

import os

IS_LONG = os.environ.get("FAULTS") == "long"

LOAD_SECONDS = 15.0 if IS_LONG else 1.2
RACES = 1000 if IS_LONG else 250
CONTROL_RACES = 40
HURRY = "" if IS_LONG else "hasty"  # cripple of nodes whose position checks a test waits for
BRISK = "" if IS_LONG else "brisk"  # the same where a test waits for a silence to be noticed
CHECK_SECONDS = 30.0 if IS_LONG else 3.0  # two of their rounds, with room

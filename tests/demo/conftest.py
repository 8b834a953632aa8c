"""The demo servers are programs outside the package: their folder is put on the path as their launchers do."""

import sys
from pathlib import Path

DEMO_APPS = Path(__file__).resolve().parents[2] / "demo_apps"

if str(DEMO_APPS) not in sys.path:
    sys.path.insert(0, str(DEMO_APPS))

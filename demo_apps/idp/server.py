"""Starts the identity provider: ``python idp/server.py --port N``. Runs by path, wherever the folder lies."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from idp.main import main

    main()

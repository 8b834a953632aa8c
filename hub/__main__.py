"""``python -m hub`` and the command ``hub`` are the same program."""

import sys

from hub.cli import main

if __name__ == "__main__":
    sys.exit(main())

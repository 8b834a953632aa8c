"""Where the files are that are not Python: beside ``hub/`` in a checkout, inside the package in an installed wheel."""

from pathlib import Path
from typing import Literal

from hub.errors import ConfigurationError

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = {"client_js": "_client", "demo_apps": "_demo"}


def find(name: Literal["client_js", "demo_apps"]) -> Path:
    """The folder of the browser client or of the demo apps. :class:`ConfigurationError` if it was not installed."""
    for folder in (_PACKAGE.parent / name, _PACKAGE / _INSTALLED[name]):
        if folder.is_dir():
            return folder
    raise ConfigurationError(f"the folder {name} is missing from this installation")

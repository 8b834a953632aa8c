"""Options that many commands have."""

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Configuration (else HUB_CONFIG, else ./hub.toml).")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

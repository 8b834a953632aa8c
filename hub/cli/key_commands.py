"""``hub keys``: its commands, their options and their help."""

from pathlib import Path
from typing import Annotated

import typer

from hub.cli.options import AsJson, ConfigFile

keys = typer.Typer(help="The key ring: its keys, their rotation.")

RingFile = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="The key ring (default: that of the configuration).")
]
KeyUse = Annotated[
    str, typer.Argument(metavar="[USE]", help="What it is for: master (default), token, chain, cookie or context.")
]
Named = Annotated[
    list[str],
    typer.Argument(metavar="[USE] KID", help="Its name, as `hub keys list` shows it; what it is for may be left out."),
]


@keys.command("new")
def keys_new(
    file: Annotated[Path, typer.Option(metavar="FILE", help="Where to write it.")] = Path("hub.keys.toml"),
    as_json: AsJson = False,
) -> None:
    """Make a key ring, readable by its owner only. Never overwrites one."""
    from hub.cli.keys import new_key_ring

    new_key_ring(file, as_json)


@keys.command("list")
def keys_list(file: RingFile = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show use, name and state of every key; never a secret."""
    from hub.cli.keys import Ring, list_keys

    list_keys(Ring(file, config), as_json)


@keys.command("add")
def keys_add(use: KeyUse = "master", file: RingFile = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Add a key that is `next`: nodes open with it, and do not make anything with it yet."""
    from hub.cli.keys import Ring, add_key

    add_key(Ring(file, config), use, as_json)


@keys.command("activate")
def keys_activate(named: Named, file: RingFile = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Let nodes make things with this key from now on; the one they used becomes `old`.

    Waits until all running nodes have the key, and gives up if one does not get it; with --file, no node is asked.
    """
    from hub.cli.key_life import wait_until_known
    from hub.cli.keys import Ring, activate_key, use_and_kid

    use, kid = use_and_kid(Ring(file, config), named)
    if file is None:
        wait_until_known(Ring(file, config), use, kid)
    activate_key(Ring(file, config), use, kid, as_json)


@keys.command("reseal")
def keys_reseal(file: RingFile = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Wrap the data keys of all sessions with the active master key, while nodes run."""
    from hub.cli.key_life import reseal
    from hub.cli.keys import Ring

    reseal(Ring(file, config), as_json)


@keys.command("drop")
def keys_drop(named: Named, file: RingFile = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Take a key out of the ring; refused while anything needs it."""
    from hub.cli.key_life import drop_key
    from hub.cli.keys import Ring, use_and_kid

    drop_key(Ring(file, config), *use_and_kid(Ring(file, config), named), as_json)

"""``hub keys activate``, ``reseal`` and ``drop``: what has to ask the store and the nodes before it changes things."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import typer
from rich.console import Console
from rich.progress import Progress

from hub.cli.keys import Ring, check_use, refusals
from hub.cli.output import note, print_json
from hub.cli.store_at import on_store
from hub.settings import Settings
from hub.store.connecting import StoreTls
from hub.store.embedded import EmbeddedStore
from hub.store.keyring import Key, KeyRing
from hub.store.keyring.at_rest import AtRest, Resealed
from hub.store.keyring.changes import Refused, activate, drop, find
from hub.store.keyring.dropping import check_linger, check_unneeded, seconds_left
from hub.store.keyring.file import read_keys
from hub.store.keyring.named import Named
from hub.store.keyring.ring import now

Result = TypeVar("Result")

PATIENCE_SECONDS = 20.0  # longer than a node that died counts as living
ASK_AGAIN_SECONDS = 0.25


def wait_until_known(ring: Ring, use: str, kid: str) -> None:
    """Return once every running node has this key, which could be activated. Raises ``CommandError``."""
    settings, wanted = ring.settings(), check_use(use)
    path = ring.path(settings)
    with refusals():
        activate(read_keys(path), wanted, kid, now())
    if settings.store_url == "embedded" and EmbeddedStore(settings.data_dir).running_url() is None:
        return

    async def job(at_rest: AtRest) -> None:
        await _until_nodes(at_rest, lambda told: kid in told.get(wanted, {}), f"have {use} key {kid}")

    _with_store(settings, path, job)


def reseal(ring: Ring, as_json: bool) -> None:
    """Wrap the data keys of all sessions with the active master key; exit code 1 if one does not open."""
    settings = ring.settings()
    path = ring.path(settings)
    active = KeyRing.load(path).master.active.kid

    async def job(at_rest: AtRest) -> Resealed:
        await _until_nodes(at_rest, lambda told: active in told.get("master", {}), f"have master key {active}")
        at = Resealed()
        with _progress("resealing", await at_rest.count()) as step:
            async for at in at_rest.reseal():
                step(at.seen)
        return at

    done = _with_store(settings, path, job)
    for sid in done.unreadable:
        note(f"{sid}: its data key does not open with this ring; it stays as it is")
    if as_json:
        counts = {"sessions": done.seen, "resealed": done.resealed, "already": done.already}
        print_json({"kid": active, **counts, "overtaken": done.overtaken, "unreadable": done.unreadable})
    else:
        print(f"resealed {done.resealed} of {done.seen} sessions with master key {active}", end="")
        print(f"; {len(done.unreadable)} do not open" if done.unreadable else "")
    if done.unreadable:
        raise typer.Exit(1)


def drop_key(ring: Ring, use: str, kid: str, as_json: bool) -> None:
    """Take a key out of the ring, if nothing needs it any more."""
    settings, wanted = ring.settings(), check_use(use)
    path = ring.path(settings)
    with refusals():
        examined = read_keys(path)
        drop(examined, wanted, kid)
        key = find(examined, wanted, kid)
        check_linger(key, time.time())
        _with_store(settings, path, lambda at_rest: _check(at_rest, key))

        def change(keys: list[Key]) -> list[Key]:
            if keys != examined:
                raise Refused(f"{path} was changed meanwhile; nothing is dropped")
            return drop(keys, wanted, kid)

        KeyRing.edit(path, change)
    if as_json:
        print_json({"file": str(path), "use": use, "kid": kid, "dropped": True})
    else:
        print(f"{use} key {kid} is gone from {path}.")


async def _check(at_rest: AtRest, key: Key) -> None:
    """Raise ``Refused`` if something needs it. What the store says counts once nobody makes things with it any more."""

    def has_let_go(told: Named) -> bool:
        return key.use in told and told[key.use].get(key.kid) != "active"

    left = seconds_left(key, time.time()) if key.use in ("master", "token", "chain") else 0.0
    is_settled = not left and not await _behind(at_rest, has_let_go)
    await _check_store(at_rest, key)
    if not is_settled:
        await asyncio.sleep(left)
        await _until_nodes(at_rest, has_let_go, f"have stopped making things with {key.use} key {key.kid}")
        await _check_store(at_rest, key)


async def _check_store(at_rest: AtRest, key: Key) -> None:
    seen = 0
    with _progress("reading histories", await at_rest.count() if key.use == "chain" else 0) as step:

        def on_seen(more: int) -> None:
            nonlocal seen
            seen += more
            step(seen)

        await check_unneeded(at_rest, key, on_seen)


async def _behind(at_rest: AtRest, fits: Callable[[Named], bool]) -> list[str]:
    return [name for name, told in (await at_rest.nodes()).items() if not fits(told)]


async def _until_nodes(at_rest: AtRest, fits: Callable[[Named], bool], do_this: str) -> None:
    """Running nodes follow the file by themselves; wait for them. Raises ``Refused``."""
    deadline, is_told = time.monotonic() + PATIENCE_SECONDS, False
    while behind := await _behind(at_rest, fits):
        if time.monotonic() > deadline:
            names = ", ".join(behind)
            raise Refused(
                f"not all nodes {do_this}: {names} (a node takes the file up within seconds, or logs why not)"
            )
        if not is_told and time.monotonic() > deadline - PATIENCE_SECONDS + 1:
            note(f"waiting until all nodes {do_this}")
            is_told = True
        await asyncio.sleep(ASK_AGAIN_SECONDS)


def _with_store(settings: Settings, path: Path, job: Callable[[AtRest], Awaitable[Result]]) -> Result:
    ring = KeyRing.load(path)

    async def run(url: str, tls: StoreTls) -> Result:
        async with AtRest(url, ring, tls) as at_rest:
            return await job(at_rest)

    with refusals():
        return on_store(settings, run, cannot_be="asked")


@contextmanager
def _progress(doing: str, total: int) -> Iterator[Callable[[int], None]]:
    """Something to tell how many are done; drawn on a terminal only."""
    if not total or not sys.stderr.isatty():
        yield lambda _: None
        return
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(doing, total=total)
        yield lambda done: progress.update(task, completed=done)

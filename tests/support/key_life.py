"""Somebody at a command line who looks after the key ring of a cluster: ``hub keys …`` and ``hub audit …``."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

from hub.core.times import rfc3339
from hub.store.keyring import Key, Use
from hub.store.keyring.file import edit, read_keys
from tests.support.nodes import ROOT, Cluster, clean_environment

TIMEOUT_SECONDS = 45.0


class Locksmith:
    """Runs commands with the nodes' configuration. ``folder`` is where the configuration lies."""

    def __init__(self, folder: Path, ring: Path, **settings: str) -> None:
        self.folder, self.ring = folder, ring
        self._environment = clean_environment() | {"HUB_CONFIG": str(folder / "hub.toml"), **settings}

    @classmethod
    def of(cls, cluster: Cluster) -> Locksmith:
        """The one of this cluster."""
        return cls(cluster.folder, cluster.ring, HUB_STORE_URL=cluster.url_for_hubs, HUB_KEYS__FILE=str(cluster.ring))

    async def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, output and error output of ``hub …``."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hub", *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment,
            cwd=ROOT,
        )
        async with asyncio.timeout(TIMEOUT_SECONDS):
            out, err = await process.communicate()
        return process.returncode or 0, out.decode(), err.decode()

    async def good(self, *arguments: str) -> Any:
        """What ``hub keys … --json`` says; it must succeed."""
        code, out, err = await self.run("keys", *arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    async def refused(self, *arguments: str, code: int = 1) -> str:
        """The one line of a ``hub keys …`` that must be refused, and leave the ring as it is."""
        before, there = self.ring.read_bytes(), self.ring.stat().st_ino
        exit_code, out, err = await self.run("keys", *arguments)
        assert (exit_code, out) == (code, ""), (out, err)
        lines = [line for line in err.splitlines() if not line.startswith("hub: waiting")]
        assert len(lines) == 1, err
        assert (self.ring.read_bytes(), self.ring.stat().st_ino) == (before, there)
        return lines[0]

    async def rotate(self, use: Use) -> tuple[str, str]:
        """Add a key and activate it; names of the old and of the new one."""
        made = await self.good("add", use)
        assert made["state"] == "next"
        changed = await self.good("activate", use, made["kid"])
        assert changed["state"] == "active"
        return changed["before"], made["kid"]

    def states(self, use: Use) -> dict[str, str]:
        """The keys of a use as the file has them."""
        return {key.kid: key.state for key in read_keys(self.ring) if key.use == use}

    def let_time_pass(self, seconds: float) -> None:
        """As if every key had got its state that much earlier."""

        def change(keys: list[Key]) -> list[Key]:
            return [Key(k.use, k.kid, k.state, k.secret, _earlier(k.since, seconds)) for k in keys]

        edit(self.ring, change)

    def put(self, text: str) -> None:
        """Another content, in one step."""
        draft = self.ring.with_name("draft")
        draft.touch(0o600)
        draft.write_text(text)
        draft.rename(self.ring)

    def copy_to(self, place: Path) -> None:
        """Bring another machine's ring up to date, in one step."""
        keys = read_keys(self.ring)
        edit(place, lambda _: keys)

    def secrets_of(self) -> list[str]:
        """Whatever must never be printed."""
        text = self.ring.read_text()
        return re.findall(r'secret = "([^"]{20,})"', text) + re.findall(r"^[A-Za-z0-9+/=]{20,}$", text, re.MULTILINE)


def _earlier(since: str, seconds: float) -> str:
    from datetime import datetime

    return rfc3339(round((datetime.fromisoformat(since).timestamp() - seconds) * 1000))

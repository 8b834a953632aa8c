"""Where somebody sits who looks after a key ring: a configuration, a store, and what ``hub keys`` prints."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hub.cli import main
from hub.core.session import Session
from hub.store.keyring import KeyRing, Use
from hub.store.store import Store
from tests.store.conftest import Ear
from tests.support.key_life import Locksmith
from tests.support.sessions import opening


@dataclass
class Desk:
    """A folder with a configuration, a key ring and a store; and what commands print."""

    folder: Path
    url: str
    capsys: pytest.CaptureFixture[str]

    @property
    def file(self) -> Path:
        """The ring's."""
        return self.folder / "ring.toml"

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, output and error output of ``hub keys …``; neither ever shows a secret."""
        self.capsys.readouterr()
        secrets = Locksmith(self.folder, self.file).secrets_of() if self.file.exists() else []
        code = main(["keys", *arguments])
        out, err = self.capsys.readouterr()
        secrets += Locksmith(self.folder, self.file).secrets_of() if self.file.exists() else []
        assert not [secret for secret in secrets if secret in out + err]
        return code, out, err

    def good(self, *arguments: str) -> Any:
        """What it says as JSON; it must succeed, without a remark."""
        code, out, err = self.run(*arguments, "--json")
        remarks = [line for line in err.splitlines() if not line.startswith("hub: waiting")]  # for a slow node
        assert (code, remarks) == (0, []), err
        return json.loads(out)

    def refused(self, *arguments: str, code: int = 1) -> str:
        """The one line of a command that must be refused and change nothing."""
        before = self.file.read_bytes() if self.file.exists() else b""
        found, out, err = self.run(*arguments)
        lines = [line for line in err.splitlines() if not line.startswith("hub: waiting")]
        assert (found, out, len(lines)) == (code, "", 1), (out, err)
        assert (self.file.read_bytes() if self.file.exists() else b"") == before
        return lines[0]

    def state(self, use: Use) -> dict[str, str]:
        """Kids and states in the file."""
        return {kid: key.state for kid, key in KeyRing.load(self.file).by_use[use].by_kid.items()}

    def rotate(self, use: Use) -> tuple[str, str]:
        """Old and new."""
        made = self.good("add", use)
        return self.good("activate", use, made["kid"])["before"], made["kid"]

    def open_sessions(self, count: int) -> list[Session]:
        """By a node that has left again."""

        async def doing() -> list[Session]:
            store = Store(self.url, KeyRing.load(self.file), "desk")
            await store.start(Ear())
            try:
                return [await opening(store).live() for _ in range(count)]
            finally:
                await store.stop()

        return asyncio.run(doing())

"""The client as a package of npm: what is in it, and that it works where it is installed, in Node and for ``tsc``."""

from __future__ import annotations

import asyncio
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from hub import resources
from tests import binaries
from tests.support.nodes import ROOT, Cluster, Node
from tests.support.tabs import log_in

pytestmark = [pytest.mark.edge, pytest.mark.timeout(120)]

NAME = "@single-state/hub-client"
PROGRAM = """
import assert from 'node:assert/strict'
import { connectSession, HubError } from '@single-state/hub-client'
import { useSession } from '@single-state/hub-client/react'
import { find } from '@single-state/hub-client/debug'
import about from '@single-state/hub-client/package.json' with { type: 'json' }

assert.deepEqual([typeof useSession, typeof find, about.version], ['function', 'function', '0.1.0'])
await assert.rejects(import('@single-state/hub-client/live.js'), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' })
const [url, token] = process.argv.slice(2)
const session = connectSession({ url, token: () => token })
const document = await session.ready()
const { changed } = await session.patch({ profile: { name: 'from Node' } })
assert.ok(changed && session.get().profile.name === 'from Node' && document.identity)
await session.logout()
assert.equal(session.get(), undefined)
await assert.rejects(session.patch({ profile: {} }), error => error instanceof HubError && error.status === 401)

const late = connectSession({ url, token: () => token })
const { code } = await new Promise(resolve => late.on('ended', resolve))
assert.equal(code, 4500)
const nobody = connectSession({ url, token: () => `${token}x` })
const fact = await new Promise(resolve => nobody.on('ended', resolve))
assert.equal(fact.code, 4501)
console.log('done')
"""
TYPES = """
import { connectSession, type Session } from '@single-state/hub-client'
import { useSection } from '@single-state/hub-client/react'
import { find } from '@single-state/hub-client/debug'

const session: Session<{ profile: { name: string } }> = connectSession({ url: 'https://hub.example', token: () => 't' })
export const name: () => string | undefined = () => useSection(session, 'profile')?.name
find()
// @ts-expect-error a name is text
session.patch({ profile: { name: 7 } })
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has the packed client and React among its packages."""
    project = tmp_path_factory.mktemp("project")
    command = [*binaries.npm(), "pack", "--json", "--ignore-scripts", "--pack-destination", str(project)]
    said = subprocess.run(
        command, cwd=resources.find("client_js"), check=True, capture_output=True, text=True, timeout=60
    )
    home = project / "node_modules" / NAME
    home.mkdir(parents=True)
    with tarfile.open(project / json.loads(said.stdout)[0]["filename"]) as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None
            (home / member.name.removeprefix("package/")).write_bytes(content.read())
    for name in ("react", "@types"):
        (project / "node_modules" / name).symlink_to(binaries.client_packages() / name)
    (project / "package.json").write_text('{"type": "module"}')
    return project


def test_the_package_holds_the_client_and_nothing_else(installed: Path) -> None:
    """Every module, its types, a readme and the licence; no dependency, and nothing that runs at install."""
    home = installed / "node_modules" / NAME
    source = resources.find("client_js")
    assert {file.name for file in home.iterdir()} == {file.name for file in source.iterdir() if file.is_file()}
    assert all(file.suffix in {".js", ".ts", ".md", ".json"} or file.name == "LICENSE" for file in home.iterdir())
    assert (home / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    about = json.loads((home / "package.json").read_text())
    assert not {"dependencies", "scripts", "optionalDependencies", "bin"} & set(about)
    assert (about["name"], about["license"], about["type"]) == (NAME, "MIT", "module")


async def test_a_program_uses_it_with_a_session_token(installed: Path, hub_cluster: Cluster, node: Node) -> None:
    """It buys its tickets itself, reads, commits, logs out; a token of an ended session or of none ends it at once."""
    (installed / "program.mjs").write_text(PROGRAM)
    opened = await log_in(hub_cluster, node)
    flags = ["--experimental-websocket"] if _needs_flag() else []
    command = [*flags, "program.mjs", node.url, opened.token]
    process = await asyncio.create_subprocess_exec(
        binaries.node(), *command, cwd=installed, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, wrong = await asyncio.wait_for(process.communicate(), 60)
    assert said == b"done\n", wrong.decode()


def test_tsc_finds_its_types(installed: Path) -> None:
    """By name, as a program of Node and a page without a build step have it."""
    (installed / "use.ts").write_text(TYPES)
    tsc = binaries.client_packages() / "typescript" / "bin" / "tsc"
    options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "nodenext"]
    said = subprocess.run(
        [binaries.node(), str(tsc), *options, "use.ts"],
        cwd=installed,
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert said.returncode == 0, said.stdout


def _needs_flag() -> bool:
    """Node 20 has a WebSocket, behind a flag."""
    said = subprocess.run(
        [binaries.node(), "-p", "typeof WebSocket"], check=True, capture_output=True, text=True, timeout=20
    )
    return said.stdout.strip() == "undefined"

/** The client on real sockets, in a process of its own. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const beside = path => fileURLToPath(new URL(path, import.meta.url))
const venv = beside('../../.venv/bin/python')
const python = existsSync(venv) ? venv : 'python3'
const flags = globalThis.WebSocket ? [] : ['--experimental-websocket'] // Node 20 has one, behind a flag

test('three tabs on real sockets: commits, a broken connection, fifty at once, the end', { timeout: 30_000 }, async t => {
  const hub = spawn(python, [beside('support/hub_imitation.py')], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => hub.kill())
  const [port] = await once(createInterface(hub.stdout), 'line')
  const tabs = spawn(process.execPath, [...flags, beside('support/tabs.js'), `http://127.0.0.1:${port}`], { stdio: ['ignore', 'inherit', 'inherit'] })
  t.after(() => tabs.kill())
  const [code] = await once(tabs, 'exit')
  assert.equal(code, 0)
})

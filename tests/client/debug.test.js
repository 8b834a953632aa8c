/** The overlay shows what is going on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { showOverlay } from '../../client_js/debug.js'
import { change, settled } from './support/fakes.js'
import { opened, outcome, P } from './support/open.js'

test('the overlay follows status, pending commits and frames', async t => {
  const panel = { style: {} }
  const shown = []
  const { session, last } = await opened()
  globalThis.document = { createElement: () => panel, body: { append: element => shown.push(element) } }
  t.after(() => delete globalThis.document)
  showOverlay(session)
  assert.deepEqual(shown, [panel])
  assert.match(panel.textContent, /^live · live · 1\.aaaaaaaa · view 5be01c77 · s1\n↓ \{"type":"live"/)
  const done = outcome(session.patch({ a: { n: 1 } }, { id: 'x'.repeat(20) }))
  await settled()
  assert.match(panel.textContent, /\n… x{20} sent\n↑ \{"type":"commit"/)
  last().say(change(P[1], P[2], [], { commit: 'x'.repeat(20) }))
  await done
  assert.doesNotMatch(panel.textContent, /… x/)
  last().end(1006, 'gone')
  assert.match(panel.textContent, /^waiting \(gone\)/)
})

/** The overlay shows what is going on, and leaves nothing behind. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { change, settled } from './support/fakes.js'
import { later, opened, P } from './support/open.js'
import { page } from './support/page.js'

const { drop } = page()
after(drop)
const { describe, find, roundTrips, show } = await import('../../client_js/debug.js')

const words = session => Object.fromEntries(describe(session.inspect(), undefined))
const id = 'x'.repeat(20)

test('it says status, position, what is pending and in doubt', async () => {
  const { session, last } = await opened()
  assert.deepEqual(words(session), { status: 'live', mode: 'live', session: 's1', position: '1.aaaaaaaa · view 5be01c77', 'round trip': '–', pending: 'nothing' })
  const done = later(session.patch({ a: { n: 1 } }, { id }))
  assert.equal(words(session).pending, 'xxxxxxxx sent')
  last().end(1006, 'gone')
  assert.match(words(session).status, /^waiting · gone · 1006 · next attempt /)
  assert.equal(words(session).pending, 'xxxxxxxx lost')
  session.close()
  await done
})

test('a round trip is from a frame that asks to the one that answers it', () => {
  const measure = roundTrips()
  const frame = (at, direction, type, more) => measure({ at, direction, message: { type, ...more } })
  assert.equal(frame(0, 'out', 'commit', { id: 'a' }), undefined)
  assert.equal(frame(5, 'out', 'commit', { id: 'b' }), undefined)
  assert.equal(frame(7, 'in', 'change', { commit: 'a' }), undefined)
  assert.equal(frame(9, 'in', 'rejected', { id: 'b' }), 4)
  assert.equal(frame(12, 'in', 'committed', { id: 'a' }), 12)
  assert.equal(frame(13, 'in', 'heartbeat'), undefined, 'one that was not asked for')
  frame(20, 'out', 'ping', { id: 'ping' })
  assert.equal(frame(23, 'in', 'heartbeat'), 3)
})

test('the overlay follows the session, asks for signs of life, and is gone when closed', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { session, last } = await opened()
  let pings = 0
  const host = show(session, () => { pings++ })
  assert.equal(show(session, () => {}), undefined, 'once')
  const root = host.shadowRoot
  const text = selector => root.querySelector(selector).textContent
  assert.equal(document.body.lastElementChild, host)
  assert.deepEqual([root.querySelector('section').dataset.status, text('header span'), root.querySelectorAll('li').length, pings], ['live', 'live · 1.aaaaaaaa', 2, 1])
  t.mock.timers.tick(5000)
  assert.equal(pings, 2)
  last().say({ type: 'heartbeat', position: P[1] })
  assert.match(text('header span'), /^live · 1\.aaaaaaaa · \d+ ms$/)
  const done = later(session.patch({ a: { n: 1 } }, { id }))
  await settled()
  assert.match(text('dl'), /pendingxxxxxxxx sent/)
  last().say(change(P[1], P[2], [{ op: 'replace', path: '/a/n', value: '<img src=x onerror=alert(1)>' }], { commit: id }), { type: 'mode', mode: 'read_only' })
  await done
  assert.match(text('header span'), /^live · read_only · 2\.bbbbbbbb/)
  assert.equal(root.querySelector('img'), null, 'text stays text')
  assert.match(text('li'), /^\d\d:\d\d\.\d{3}↓\{"type":"mode","mode":"read_only"\}$/)
  for (let i = 0; i < 100; i++) last().say({ type: 'heartbeat', position: P[2] })
  assert.equal(root.querySelectorAll('li').length, 60)
  root.querySelector('[title=close]').onclick()
  last().say({ type: 'heartbeat', position: P[2] })
  t.mock.timers.tick(50_000)
  assert.deepEqual([document.querySelector('hub-debug'), root.querySelectorAll('li').length, pings], [null, 60, 2])
  assert.notEqual(show(session, () => {}), undefined, 'it may be opened again')
  t.mock.timers.reset()
})

test('find() asks the page for its sessions', async () => {
  const { session } = await opened()
  const before = document.querySelectorAll('hub-debug').length
  document.addEventListener('hubdebug', ({ detail }) => detail(session, () => {}), { once: true })
  find()
  assert.equal(document.querySelectorAll('hub-debug').length, before + 1)
  document.body.lastElementChild.shadowRoot.querySelector('[title=close]').onclick()
})

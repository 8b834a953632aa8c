/** A page's life: caches, sleep, the network, input, and the tabs next door. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { connectSession } from '../../client_js/index.js'
import { FakeClock, fakeSockets, live, settled, snapshot } from './support/fakes.js'
import { P, record } from './support/open.js'

let page
let channels
const own = ['addEventListener', 'document', 'location', 'BroadcastChannel']

class FakeChannel {
  constructor(name) {
    this.name = name
    channels.add(this)
  }

  postMessage(data) {
    for (const other of channels) if (other !== this && other.name === this.name) other.onmessage({ data: structuredClone(data) })
  }

  close() { channels.delete(this) }
}

beforeEach(() => {
  page = new EventTarget()
  channels = new Set()
  const document = Object.assign(new EventTarget(), { hidden: false })
  const location = { origin: 'https://hub.test', search: '' }
  const values = { addEventListener: page.addEventListener.bind(page), document, location, BroadcastChannel: FakeChannel }
  for (const name of own) Object.defineProperty(globalThis, name, { value: values[name], configurable: true, writable: true })
})
const nodes = { BroadcastChannel }
afterEach(() => {
  for (const name of own) delete globalThis[name]
  Object.assign(globalThis, nodes)
})

const happen = (type, facts = {}, target = page) => target.dispatchEvent(Object.assign(new Event(type), facts))

async function openTab(sid = 's1', options = {}) {
  const clock = new FakeClock()
  const { sockets, FakeSocket } = fakeSockets()
  const session = connectSession({ WebSocket: FakeSocket, clock, random: () => 0.5, ...options })
  await settled()
  const document = { secret: 1 }
  if (options.initial) sockets[0].say(live(P[1]))
  else sockets[0].say(snapshot(P[1], document, { session: { sid } }), live(P[1]))
  return { session, clock, sockets, last: () => sockets.at(-1) }
}

test('in a page the address is its own origin', async () => {
  const { last } = await openTab()
  assert.equal(last().url.href, 'wss://hub.test/v1/sessions/me/live')
})

test('a page that goes into the cache closes its socket and shows nothing until revalidated', async () => {
  const { session, clock, sockets, last } = await openTab()
  const values = record(session)
  const secrets = record(session.section('secret'))
  happen('pagehide', { persisted: true })
  assert.deepEqual([session.get(), last().closed, clock.timers.size, channels.size], [undefined, true, 0, 0])
  happen('pageshow', { persisted: true })
  await settled()
  assert.deepEqual([session.status.get().name, session.get(), sockets.length], ['connecting', undefined, 2])
  assert.equal(last().url.searchParams.get('position'), P[1])
  last().say(live(P[1]))
  assert.deepEqual([values, secrets], [[{ secret: 1 }, undefined, { secret: 1 }], [1, undefined, 1]])
})

test('after an end Back shows no data', async () => {
  const { session, last } = await openTab()
  const values = record(session)
  happen('pagehide', { persisted: true })
  happen('pageshow', { persisted: true })
  await settled()
  last().say({ type: 'ended', reason: 'logged_out' })
  assert.deepEqual([session.status.get().name, values], ['ended', [{ secret: 1 }, undefined]])
})

test('online, a visible page and pageshow try at once, and ask a live connection for a sign', async () => {
  for (const wake of [() => happen('online'), () => happen('visibilitychange', {}, document), () => happen('pageshow', { persisted: false })]) {
    const { session, clock, sockets, last } = await openTab()
    wake()
    assert.deepEqual(last().sent, [{ type: 'ping' }])
    last().end()
    wake()
    await settled()
    assert.deepEqual([session.status.get().name, sockets.length], ['connecting', 2])
    wake()
    await settled()
    clock.advance(1000)
    await settled()
    assert.equal(sockets.length, 2, 'an attempt under way is left alone, and the one that was planned is off')
    session.close()
  }
})

test('a live connection that gives no sign within 10 s is dropped, one that does is trusted again', async () => {
  const { session, clock, last } = await openTab()
  happen('online')
  assert.equal(clock.timers.size, 1, 'one watch, not two')
  clock.advance(5000)
  last().say({ type: 'heartbeat', position: P[1] })
  clock.advance(59_999)
  assert.equal(session.status.get().name, 'live')
  last().say({ type: 'heartbeat', position: P[1] })
  happen('online')
  clock.advance(9999)
  assert.equal(session.status.get().name, 'live')
  clock.advance(1)
  assert.deepEqual([session.status.get().name, session.status.get().reason], ['waiting', 'silent'])
})

test('a page that becomes hidden does not hurry', async () => {
  const { sockets, last } = await openTab()
  last().end()
  document.hidden = true
  happen('visibilitychange', {}, document)
  await settled()
  assert.equal(sockets.length, 1)
})

test('a machine that slept does not trust its old socket', async () => {
  const { clock, sockets } = await openTab()
  clock.time += 3_600_000 // timers stood still
  happen('online')
  await settled()
  assert.deepEqual([sockets.length, sockets[0].closed], [2, true])
})

test('input is told at most once in 20 s, and only while live', async () => {
  const { clock, last } = await openTab()
  for (const type of ['pointerdown', 'keydown', 'pointerdown']) happen(type)
  assert.deepEqual(last().sent, [{ type: 'activity' }])
  clock.advance(19_999)
  happen('keydown')
  clock.advance(1)
  happen('keydown')
  assert.equal(last().sent.length, 2)
  last().end()
  clock.advance(20_000)
  await settled()
  happen('keydown')
  assert.equal(last().sent.length, 0)
  last().say(live(P[1]))
  happen('keydown')
  assert.equal(last().sent.length, 1, 'what could not be told did not count')
})

test('an end reaches the sleeping tabs of the same session, and only those', async () => {
  const here = await openTab()
  const asleep = await openTab()
  const other = await openTab('s2')
  const ends = []
  asleep.session.on('ended', fact => ends.push(fact))
  asleep.last().end()
  here.last().say({ type: 'ended', reason: 'expired', detail: 'too old' })
  assert.deepEqual([asleep.session.status.get().name, asleep.session.get()], ['ended', undefined])
  assert.deepEqual(ends.map(({ reason }) => reason), ['expired'])
  assert.deepEqual([other.session.status.get().name, other.session.get()], ['live', { secret: 1 }])
  assert.equal(channels.size, 1)
})

test('a tab that does not know its sid asks the hub instead', async () => {
  const here = await openTab()
  const unsure = await openTab('', { initial: { document: { secret: 1 }, position: P[1], view: '5be01c77' } })
  unsure.last().end()
  here.last().say({ type: 'ended', reason: 'expired' })
  await settled()
  assert.deepEqual([unsure.session.status.get().name, unsure.sockets.length], ['connecting', 2])
})

test('a credential that this tab lacks is no end for the others', async () => {
  const here = await openTab()
  const other = await openTab()
  here.last().end(4501)
  assert.deepEqual([here.session.status.get().name, other.session.status.get().name], ['ended', 'live'])
})

test('a log-out here ends the tabs next door', async () => {
  const fetch = async () => ({ ok: true, status: 204, json: async () => ({}) })
  const here = await openTab('s1', { fetch })
  const other = await openTab()
  await here.session.logout()
  assert.equal(other.session.status.get().name, 'ended')
})

test('once over, nothing of the page wakes it', async () => {
  for (const stop of [({ session }) => session.close(), ({ last }) => last().say({ type: 'ended', reason: 'idle' })]) {
    const tab = await openTab()
    stop(tab)
    const { name } = tab.session.status.get()
    happen('pagehide', { persisted: true })
    happen('pageshow', { persisted: true })
    happen('online')
    await settled()
    assert.deepEqual([tab.session.status.get().name, tab.sockets.length, channels.size, tab.clock.timers.size], [name, 1, 0, 0])
  }
})

/** What a page sees and hears: the document, its parts, events, waiting for something. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { change, live, settled, snapshot } from './support/fakes.js'
import { connecting, opened, outcome, P, record } from './support/open.js'

/** What was thrown where nobody catches it, instead of ending the test. */
function unhandled(t) {
  const others = process.listeners('unhandledRejection')
  const thrown = []
  const keep = ({ message }) => thrown.push(message)
  process.removeAllListeners('unhandledRejection').on('unhandledRejection', keep)
  t.after(() => {
    process.off('unhandledRejection', keep)
    for (const listener of others) process.on('unhandledRejection', listener)
  })
  return thrown
}

const replace = (path, value) => ({ op: 'replace', path, value })

test('subscribe calls at once and at every change, listen only at changes', async () => {
  const { session, last } = connecting()
  const values = record(session)
  const heard = []
  session.listen(value => heard.push(value))
  await settled()
  last().say(snapshot(P[1], { a: 1 }), live(P[1]), change(P[1], P[2], [replace('/a', 2)]))
  assert.deepEqual(values, [undefined, { a: 1 }, { a: 2 }])
  assert.deepEqual(heard, [{ a: 1 }, { a: 2 }])
  assert.equal(session.position.get(), P[2])
})

test('a listener sees one moment: document, position, section and pending agree', async () => {
  const { session, last } = await opened({ a: 1 })
  const seen = []
  session.section('a').listen(a => seen.push([a, session.get().a, session.position.get(), session.pending.get()]))
  session.listen(document => seen.push([document.a, session.section('a').get(), session.position.get(), session.pending.get()]))
  last().say(change(P[1], P[2], [replace('/a', 2)]))
  assert.deepEqual(seen, [[2, 2, P[2], 0], [2, 2, P[2], 0]])
})

test('a listener that commits, stops others or throws harms nobody', async t => {
  const { session, last } = await opened({ a: 0 })
  const seen = []
  const thrown = unhandled(t)
  session.listen(() => { throw new Error('page bug') })
  const first = session.listen(({ a }) => a === 1 && session.patch({ a: 2 }).catch(() => {}) && stop())
  const stop = session.listen(() => seen.push('stopped'))
  session.listen(({ a }) => seen.push(a))
  last().say(change(P[1], P[2], [replace('/a', 1)]))
  assert.deepEqual(seen.filter(value => value !== 'stopped'), [2])
  first()
  await settled()
  assert.equal(thrown[0], 'page bug')
})

test('a listener that another one stops is not called any more', async () => {
  const { session, last } = await opened({ a: 0 })
  const seen = []
  session.listen(() => stop())
  const stop = session.listen(() => seen.push('stopped'))
  last().say(change(P[1], P[2], [replace('/a', 1)]))
  assert.deepEqual(seen, [])
})

test('a section is undefined until there is one, keeps its identity, and is never inherited', async () => {
  const { session, last } = await opened({ a: { n: 1 } })
  const b = record(session.section('b'))
  const { a } = session.get()
  for (const name of ['__proto__', 'constructor', 'toString']) assert.equal(session.section(name).get(), undefined)
  last().say(change(P[1], P[2], [{ op: 'add', path: '/b', value: [] }, { op: 'add', path: '/__proto__', value: { x: 1 } }]))
  assert.deepEqual(b, [undefined, []])
  assert.equal(session.get().a, a)
  assert.deepEqual(session.section('__proto__').get(), { x: 1 })
  assert.equal({}.x, undefined)
  assert.equal(session.section('a'), session.section('a'))
})

test('select is told only of other values', async () => {
  const { session, last } = await opened({ a: { n: 1 }, b: 1 })
  const counts = record(session.select(document => document.a.n))
  const pairs = record(session.select(document => [document.a.n], ([x], [y]) => x === y))
  const readable = session.select(document => ({ n: document.a.n }))
  assert.equal(readable.get(), readable.get())
  last().say(change(P[1], P[2], [replace('/b', 2)]), change(P[2], P[3], [replace('/a/n', 2)]))
  assert.deepEqual(counts, [1, 2])
  assert.deepEqual(pairs, [[1], [2]])
})

test('a document cannot be changed by hand', async () => {
  const { session } = await opened({ a: { n: 1 } })
  assert.throws(() => { session.get().a.n = 2 }, TypeError)
})

test('ready, until: fulfilled by the document, ended by time, signal, or the end', async () => {
  const { session, clock, last } = connecting({ initial: { document: { n: 0 }, position: P[1], view: '5be01c77' } })
  const ready = session.ready()
  const two = session.until(({ n }) => n === 2)
  const never = session.until(() => false)
  const late = session.until(() => false, { timeoutMs: 100 })
  const gone = new AbortController()
  const aborted = session.until(() => false, { signal: gone.signal })
  const broken = session.until(() => { throw new Error('page bug') })
  assert.equal((await outcome(broken)).error.message, 'page bug')
  assert.equal(await outcome(ready), 'waiting', 'an initial document is not known to be current')
  last().say(live(P[1]))
  assert.deepEqual(await ready, { n: 0 })
  last().say(change(P[1], P[2], [replace('/n', 2)]))
  assert.deepEqual(await two, { n: 2 })
  assert.equal(clock.timers.size, 2, 'of the connection and of late')
  await session.until(() => true, { timeoutMs: 100 })
  assert.equal(clock.timers.size, 2)
  clock.advance(100)
  assert.equal((await outcome(late)).error.code, 'timeout')
  gone.abort(new Error('stop'))
  assert.equal((await outcome(aborted)).error.message, 'stop')
  await assert.rejects(session.until(() => true, { signal: AbortSignal.abort(new Error('before')) }), /before/)
  last().say({ type: 'ended', reason: 'expired' })
  assert.equal((await outcome(never)).error.code, 'session_ended')
  assert.equal((await outcome(session.ready())).error.code, 'session_ended')
})

test('a signal that lives long keeps nothing of what is over', async () => {
  const { session, last } = await opened({ a: 0 })
  const held = new Set()
  const { signal } = new AbortController()
  signal.addEventListener = (type, fn) => held.add(fn)
  signal.removeEventListener = (type, fn) => held.delete(fn)
  const done = session.patch({ a: 1 }, { signal })
  const waited = session.until(({ a }) => a === 1 && session.pending.get() === 0, { signal })
  assert.equal(held.size, 2)
  last().say(change(P[1], P[2], [replace('/a', 1)], { commit: last().commits()[0].id }))
  await Promise.all([done, waited])
  assert.equal(held.size, 0)
})

test('events: change after the document shows it, frames both ways, and a signal that stops them', async () => {
  const { session, last } = await opened({ a: 0 })
  const heard = []
  const stopped = new AbortController()
  session.on('change', ({ position, actor }) => heard.push([position, actor, session.get().a]))
  session.on('frame', ({ direction, message }) => heard.push([direction, message.type]), { signal: stopped.signal })
  session.on('frame', () => heard.push('never'), { signal: AbortSignal.abort() })
  const off = session.on('change', () => heard.push('off'))
  off()
  last().say(change(P[1], P[2], [replace('/a', 1)]))
  session.patch({ a: 2 })
  await settled()
  stopped.abort()
  last().say(change(P[1], P[2], []))
  assert.deepEqual(heard, [['in', 'change'], [P[2], 'app:a', 1], ['out', 'commit']])
})

test('mode and presence follow the hub', async () => {
  const { session, last } = await opened({}, { presence: true })
  const modes = record(session.mode)
  assert.deepEqual(session.presence.get(), [])
  last().say({ type: 'mode', mode: 'read_only', retry_after_seconds: 5 }, { type: 'presence', connections: [{ id: 'c1', app: 'a', since: 'now' }] })
  last().say({ type: 'mode', mode: 'live' }, { type: 'mode', mode: 'maintenance' })
  assert.deepEqual(modes, ['live', 'read_only', 'live', 'maintenance'])
  assert.deepEqual(session.presence.get(), [{ id: 'c1', app: 'a', since: 'now' }])
  last().end()
  session.section('x')
  assert.equal(session.mode.get(), 'maintenance')
})

test('a mode told before or with live stays; without a word it is live again after a reconnect', async () => {
  const { session, clock, last } = await opened()
  const modes = record(session.mode)
  last().say({ type: 'mode', mode: 'read_only' })
  last().end()
  clock.advance(20_000)
  await settled()
  last().say({ type: 'mode', mode: 'read_only' }, live(P[1]))
  assert.deepEqual(modes, ['live', 'read_only'])
  last().end()
  clock.advance(20_000)
  await settled()
  last().say(live(P[1]))
  assert.deepEqual(modes, ['live', 'read_only', 'live'])
})

test('inspect shows the last 200 frames, the positions and what is pending', async () => {
  const { session, last } = await opened()
  for (let i = 0; i < 250; i++) last().say({ type: 'heartbeat', position: P[1] })
  session.patch({ a: { n: 1 } })
  await settled()
  const { frames, pending, document, presence, ...rest } = session.inspect()
  assert.equal(frames.length, 200)
  assert.deepEqual([frames.at(-1).direction, frames.at(-1).message.type], ['out', 'commit'])
  assert.deepEqual([document, presence], [{ a: { n: 1 } }, []])
  assert.deepEqual(pending.map(({ state, body }) => [state, body]), [['sent', { patch: { a: { n: 1 } } }]])
  assert.deepEqual(rest, { sid: 's1', status: { name: 'live' }, mode: 'live', position: P[1], view: '5be01c77' })
})

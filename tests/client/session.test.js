/** What a page sees and may do: the document, its parts, commits and their end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HubError } from '../../client_js/index.js'
import { change, live, settled, snapshot } from './support/fakes.js'
import { connecting, opened, outcome, P, record } from './support/open.js'

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
  const thrown = []
  t.mock.method(globalThis, 'queueMicrotask', fn => assert.throws(fn, ({ message }) => thrown.push(message) > 0))
  session.listen(() => { throw new Error('page bug') })
  const first = session.listen(({ a }) => a === 1 && session.patch({ a: 2 }).catch(() => {}) && stop())
  const stop = session.listen(() => seen.push('stopped'))
  session.listen(({ a }) => seen.push(a))
  last().say(change(P[1], P[2], [replace('/a', 1)]))
  assert.deepEqual(seen.filter(value => value !== 'stopped'), [2])
  first()
  assert.equal(thrown[0], 'page bug')
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

test('a commit shows at once, is sent, and resolves when its change is in the copy', async () => {
  const { session, last } = await opened()
  const values = record(session)
  const done = session.patch({ a: { n: 1 } })
  await settled()
  assert.deepEqual(session.get(), { a: { n: 1 } })
  const [{ id, ...message }] = last().commits()
  assert.deepEqual(message, { type: 'commit', patch: { a: { n: 1 } } })
  assert.match(id, /^[\w-]{16,64}$/)
  last().say({ type: 'committed', id, position: P[2], changed: true })
  assert.equal(await outcome(done), 'waiting')
  assert.equal(session.pending.get(), 1)
  last().say(change(P[1], P[2], [replace('/a/n', 1)], { commit: id }))
  assert.deepEqual(await done, { id, position: P[2], changed: true })
  assert.equal(session.pending.get(), 0)
  assert.deepEqual(values, [{ a: { n: 0 } }, { a: { n: 1 } }], 'told once: neither the answer nor the change is news')
})

test('the change may come before the answer', async () => {
  const { session, last } = await opened()
  const done = session.patch({ a: { n: 1 } })
  await settled()
  const [{ id }] = last().commits()
  last().say(change(P[1], P[2], [replace('/a/n', 1)], { commit: id }))
  assert.deepEqual(await done, { id, position: P[2], changed: true })
  last().say({ type: 'committed', id, position: P[2], changed: true })
  assert.equal(session.pending.get(), 0)
})

test('a commit that changes nothing resolves at its answer; one whose change is not visible, at its position', async () => {
  const { session, last } = await opened()
  const nothing = session.patch({ a: {} })
  const unseen = session.patch({ hidden: { x: 1 } })
  await settled()
  const [{ id }, { id: other }] = last().commits()
  last().say({ type: 'committed', id, position: P[1], changed: false }, { type: 'committed', id: other, position: P[2], changed: true })
  assert.deepEqual(await nothing, { id, position: P[1], changed: false })
  assert.equal(await outcome(unseen), 'waiting')
  last().say({ type: 'change', base: P[1], position: P[2], ops: [] })
  assert.equal((await unseen).position, P[2])
  assert.deepEqual(session.get(), { a: { n: 0 } })
})

test('a rejected commit rolls back, raises conflict, and rejects', async () => {
  const { session, last } = await opened()
  const conflicts = []
  session.on('conflict', fact => conflicts.push(fact))
  const done = session.patch({ a: { n: 1 } })
  await settled()
  const [{ id }] = last().commits()
  const problem = { code: 'schema_violation', status: 422, title: 'No', detail: 'n is no good', retryable: false }
  last().say({ type: 'rejected', id, problem })
  const { error } = await outcome(done)
  assert.ok(error instanceof HubError)
  assert.deepEqual([error.code, error.status, error.retryable, error.message], ['schema_violation', 422, false, 'n is no good'])
  assert.deepEqual(session.get(), { a: { n: 0 } })
  assert.deepEqual(conflicts, [{ id, problem, error }])
})

test('pending commits are replayed on every change, in their order', async () => {
  const { session, last } = await opened({ a: { n: 0 }, list: [] })
  session.apply([{ op: 'add', path: '/list/-', value: 'x' }])
  const refused = outcome(session.patch({ a: { n: 5 } }))
  session.apply([{ op: 'add', path: '/list/-', value: 'y' }])
  last().say(change(P[1], P[2], [{ op: 'add', path: '/list/-', value: 'other' }, replace('/a/n', 1)]))
  assert.deepEqual(session.get(), { a: { n: 5 }, list: ['other', 'x', 'y'] })
  const [first, second] = last().commits()
  last().say(change(P[2], P[3], [{ op: 'add', path: '/list/-', value: 'x' }], { commit: first.id }))
  last().say({ type: 'rejected', id: second.id, problem: { code: 'forbidden', status: 403 } })
  assert.deepEqual(session.get(), { a: { n: 1 }, list: ['other', 'x', 'y'] })
  assert.equal((await refused).error.code, 'forbidden')
})

test('without optimism a commit shows when its change comes', async () => {
  const { session, last } = await opened({ a: 0 }, { optimistic: false })
  session.patch({ a: 1 })
  await settled()
  assert.deepEqual([session.get(), session.pending.get()], [{ a: 0 }, 1])
  last().say(change(P[1], P[2], [replace('/a', 1)], { commit: last().commits()[0].id }))
  assert.deepEqual([session.get(), session.pending.get()], [{ a: 1 }, 0])
})

test('sections patch and replace themselves, whatever their name', async () => {
  const { session, last } = await opened({ 'a/b~': { n: 0 } })
  session.section('a/b~').patch({ n: 1 })
  session.section('a/b~').replace({ m: null })
  session.section('__proto__').patch({ x: 1 })
  await settled()
  const [first, second, third] = last().commits()
  assert.deepEqual(first.patch, { 'a/b~': { n: 1 } })
  assert.deepEqual(second.ops, [{ op: 'add', path: '/a~1b~0', value: { m: null } }])
  assert.deepEqual(Object.keys(third.patch), ['__proto__'])
  assert.deepEqual(session.get()['a/b~'], { m: null })
})

test('what a page hands over is copied: changing it later changes nothing', async () => {
  const { session, last } = await opened()
  const patch = { a: { list: [1] } }
  session.patch(patch)
  patch.a.list.push(2)
  await settled()
  assert.deepEqual(last().commits()[0].patch, { a: { list: [1] } })
  assert.deepEqual(session.get().a.list, [1])
})

test('nonsense is refused before it is sent', async () => {
  const { session, last } = await opened()
  const circle = {}
  circle.circle = circle
  for (const attempt of [
    () => session.patch(null), () => session.patch([]), () => session.patch('x'), () => session.apply({}), () => session.update({}),
    () => session.patch({ a: Number.NaN }), () => session.patch({ a: circle }), () => session.patch({ a: 1n }),
    () => session.patch({ a: 1 }, { id: 'short' }), () => session.patch({ a: 1 }, { id: `${'x'.repeat(16)}!` }),
  ]) await assert.rejects(attempt(), TypeError, String(attempt))
  assert.deepEqual([last().sent, session.pending.get(), session.get()], [[], 0, { a: { n: 0 } }])
})

test('a commit over 64 KiB is refused here, for the hub would close the connection for good', async () => {
  const { session, last } = await opened()
  const { error } = await outcome(session.patch({ a: { text: 'é'.repeat(33_000) } }))
  assert.deepEqual([error.code, error.status, session.pending.get()], ['too_large', 413, 0])
  assert.deepEqual(session.get(), { a: { n: 0 } })
  const update = await outcome(session.update(draft => { draft.a.text = 'x'.repeat(66_000) }))
  assert.equal(update.error.code, 'too_large')
  session.patch({ a: { n: 1 } })
  await settled()
  assert.equal(last().commits().length, 1)
})

test('ifPosition goes along, and is not second-guessed', async () => {
  const { session, last } = await opened()
  const done = session.update(draft => { draft.a.n++ }, { ifPosition: P[1] })
  await settled()
  const [{ id, if_position }] = last().commits()
  assert.equal(if_position, P[1])
  last().say({ type: 'rejected', id, problem: { code: 'position_mismatch', status: 412, current: P[2] } })
  assert.equal((await outcome(done)).error.code, 'position_mismatch')
})

test('the same id while pending is the same commit', async () => {
  const { session, last } = await opened()
  const id = 'the-same-commit-twice'
  const promises = [session.patch({ a: { n: 1 } }, { id }), session.patch({ a: { n: 1 } }, { id })]
  await settled()
  assert.equal(last().commits().length, 1)
  last().say(change(P[1], P[2], [replace('/a/n', 1)], { commit: id }))
  assert.deepEqual((await Promise.all(promises)).map(({ position }) => position), [P[2], P[2]])
})

test('a signal takes back what was not sent, and stops the waiting for what was', async () => {
  const { session, last } = await opened()
  const sent = new AbortController()
  const done = session.patch({ a: { n: 1 } }, { signal: sent.signal })
  await settled()
  sent.abort(new Error('enough'))
  assert.equal((await outcome(done)).error.message, 'enough')
  assert.deepEqual([session.pending.get(), session.get().a.n], [1, 1], 'the hub may have it')
  last().end()
  const unsent = new AbortController()
  const queued = session.patch({ a: { n: 2 } }, { signal: unsent.signal })
  await settled()
  unsent.abort(new Error('never mind'))
  assert.equal((await outcome(queued)).error.message, 'never mind')
  assert.deepEqual([session.pending.get(), session.get().a.n], [1, 1])
  await assert.rejects(session.patch({ a: {} }, { signal: AbortSignal.abort(new Error('before')) }), /before/)
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
  const { frames, pending, ...rest } = session.inspect()
  assert.equal(frames.length, 200)
  assert.deepEqual([frames.at(-1).direction, frames.at(-1).message.type], ['out', 'commit'])
  assert.deepEqual(pending.map(({ state, patch }) => [state, patch]), [['sent', { a: { n: 1 } }]])
  assert.deepEqual(rest, { sid: 's1', status: { name: 'live' }, mode: 'live', position: P[1], view: '5be01c77' })
})

/** What a page may do to the document: commits, their answers, and what is refused before it is sent. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HubError } from '../../client_js/index.js'
import { change, settled } from './support/fakes.js'
import { opened, outcome, P, record } from './support/open.js'

const replace = (path, value) => ({ op: 'replace', path, value })

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
  const ops = [{ op: 'add', path: '/b', value: [1] }]
  session.apply(ops)
  ops[0].value.push(2)
  await settled()
  assert.deepEqual(last().commits()[0].patch, { a: { list: [1] } })
  assert.deepEqual(last().commits()[1].ops, [{ op: 'add', path: '/b', value: [1] }])
  assert.deepEqual([session.get().a.list, session.get().b], [[1], [1]])
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

/** Commits and the wire: lost answers, doubt after a snapshot, updates, their order, and waiting without a connection. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { change, live, settled, snapshot } from './support/fakes.js'
import { connecting, opened, outcome, P, record } from './support/open.js'

const patchA = n => ({ a: { n } })

test('a lost commit is sent again with the same id and body, and counts once', async () => {
  const { session, clock, sockets, last } = await opened()
  const done = session.patch(patchA(1))
  await settled()
  last().end()
  assert.deepEqual([session.get(), session.pending.get()], [patchA(1), 1])
  clock.advance(100)
  await settled()
  assert.deepEqual(last().sent, [], 'nothing is sent before the copy has caught up')
  last().say(live(P[1]))
  assert.deepEqual(last().sent, sockets[0].sent)
  const [{ id }] = last().commits()
  last().say({ type: 'committed', id, position: P[2], changed: true }, change(P[1], P[2], [{ op: 'replace', path: '/a/n', value: 1 }], { commit: id }))
  assert.deepEqual([(await done).id, session.pending.get()], [id, 0])
})

test('what a user sees of a commit in doubt does not move at a snapshot, but at its answer: then it is kept or gone', async () => {
  const counter = draft => { draft.a.n++ }
  for (const [document, answer, shown] of [
    [{ a: { n: 1 } }, id => ({ type: 'committed', id, position: P[2], changed: true }), [1, 1]],
    [{ a: { n: 0 } }, id => ({ type: 'committed', id, position: P[5], changed: true }), [1, 1]],
    [{ a: { n: 7 } }, id => ({ type: 'committed', id, position: P[4], changed: true }), [1, 7]],
    [{ a: { n: 0 } }, id => ({ type: 'rejected', id, problem: { code: 'forbidden', status: 403 } }), [1, 0]],
  ]) {
    const { session, clock, last } = await opened()
    const done = outcome(session.update(counter))
    assert.equal(session.get().a.n, 1)
    last().end()
    clock.advance(100)
    await settled()
    last().say(snapshot(P[4], document, { reason: 'compacted' }), live(P[4]))
    const seen = [session.get().a.n]
    last().say(answer(last().commits()[0].id))
    seen.push(session.get().a.n)
    assert.deepEqual(seen, shown)
    await done
  }
})

test('a store that lost an acknowledged commit is asked again', async () => {
  const { session, last } = await opened()
  const done = session.patch(patchA(1))
  await settled()
  const [{ id }] = last().commits()
  last().say({ type: 'committed', id, position: P[3], changed: true })
  last().say(snapshot('3.ffffffff', patchA(0), { reason: 'fork' }), live('3.ffffffff'))
  assert.deepEqual(last().commits().map(commit => commit.id), [id, id])
  assert.equal(await outcome(done), 'waiting')
  last().say({ type: 'committed', id, position: '4.ffffffff', changed: true }, change('3.ffffffff', '4.ffffffff', [], { commit: id }))
  assert.equal((await done).position, '4.ffffffff')
})

test('an update runs again on the newer document when somebody was faster', async () => {
  const { session, last } = await opened()
  const conflicts = record({ subscribe: fn => session.on('conflict', fn) })
  const done = session.update(draft => { draft.a.n += 10 })
  await settled()
  const [{ id, if_position, ops }] = last().commits()
  assert.deepEqual([if_position, ops], [P[1], [{ op: 'replace', path: '/a/n', value: 10 }]])
  last().say({ type: 'rejected', id, problem: { code: 'position_mismatch', status: 412, current: P[2] } })
  assert.equal(last().commits().length, 1, 'not before the newer document is here')
  last().say(change(P[1], P[2], [{ op: 'replace', path: '/a/n', value: 5 }]))
  assert.equal(session.get().a.n, 15)
  assert.deepEqual(last().commits()[1], { type: 'commit', id, ops: [{ op: 'replace', path: '/a/n', value: 15 }], if_position: P[2] })
  last().say(change(P[2], P[3], last().commits()[1].ops, { commit: id }))
  assert.deepEqual([(await done).position, conflicts], [P[3], []])
})

test('commits keep their order: an update waits for those before it, those after it wait for the update', async () => {
  const { session, last } = await opened()
  session.patch(patchA(1))
  session.update(draft => { draft.a.n++ })
  session.patch({ b: 1 })
  await settled()
  assert.deepEqual([last().commits().length, session.get()], [1, { a: { n: 2 }, b: 1 }])
  const ids = session.inspect().pending.map(({ id }) => id)
  last().say(change(P[1], P[2], [{ op: 'replace', path: '/a/n', value: 1 }], { commit: ids[0] }))
  assert.equal(last().commits().length, 2)
  last().say(change(P[2], P[3], [{ op: 'replace', path: '/a/n', value: 2 }], { commit: ids[1] }))
  assert.deepEqual(last().commits().map(({ id }) => id), ids)
})

test('an update that changes nothing or throws never goes out, and blocks nobody', async () => {
  const { session, last } = await opened()
  const nothing = session.update(() => {})
  const broken = session.update(() => { throw new Error('page bug') })
  await assert.rejects(session.update(async () => {}), TypeError)
  session.patch(patchA(1))
  assert.deepEqual([(await nothing).changed, (await nothing).position], [false, P[1]])
  await assert.rejects(broken, /page bug/)
  assert.equal(last().commits().length, 1)
})

test('before there is a document commits wait, and go out in order when it is live', async () => {
  const { session, last } = connecting()
  session.update(draft => { draft.a.n++ })
  session.patch({ b: 1 })
  await settled()
  assert.deepEqual([session.get(), last().sent, session.pending.get()], [undefined, [], 2])
  last().say(snapshot(P[1], patchA(0)), live(P[1]))
  assert.deepEqual([session.get(), last().commits().length], [{ a: { n: 1 }, b: 1 }, 1])
})

test('offline a commit waits queueMs, then rejects as retryable and is rolled back', async () => {
  const { session, clock, last } = await opened(undefined, { random: () => 1, retry: { minMs: 60_000, maxMs: 60_000 } })
  const sent = session.patch(patchA(1), { queueMs: 5000 })
  await settled()
  last().end()
  const queued = session.patch({ b: 1 })
  const patient = session.patch({ c: 1 }, { queueMs: Infinity })
  clock.advance(4999)
  assert.equal(session.pending.get(), 3)
  clock.advance(1)
  const { error } = await outcome(sent)
  assert.deepEqual([error.code, error.retryable, session.get()], ['unconfirmed', true, { a: { n: 0 }, b: 1, c: 1 }])
  clock.advance(5000)
  const { error: other } = await outcome(queued)
  assert.deepEqual([other.code, other.retryable, session.get()], ['offline', true, { a: { n: 0 }, c: 1 }])
  clock.advance(50_000)
  await settled()
  last().say(live(P[1]))
  assert.equal(last().commits().length, 1)
  assert.equal(await outcome(patient), 'waiting')
})

test('live, a commit has all the time the hub needs', async () => {
  const { session, clock, last } = connecting()
  const early = session.patch(patchA(1))
  await settled()
  last().say(snapshot(P[1], {}), live(P[1]))
  const late = session.patch(patchA(2))
  clock.advance(50_000)
  assert.deepEqual([await outcome(early), await outcome(late)], ['waiting', 'waiting'])
})

test('an answered commit is no longer in doubt: however long its change takes, it does not reject', async () => {
  const { session, clock, last } = await opened(undefined, { random: () => 1, retry: { minMs: 60_000, maxMs: 60_000 } })
  const done = session.patch(patchA(1))
  await settled()
  const [{ id }] = last().commits()
  last().say({ type: 'committed', id, position: P[2], changed: true })
  last().end()
  clock.advance(60_000)
  await settled()
  assert.deepEqual([await outcome(done), session.get()], ['waiting', patchA(1)])
  last().say(change(P[1], P[2], [{ op: 'replace', path: '/a/n', value: 1 }], { commit: id }), live(P[2]))
  assert.equal((await done).position, P[2])
})

test('a copy that must reload asks again for every answer, for it cannot know which history it will find', async () => {
  const { session, clock, last } = await opened()
  const done = session.patch(patchA(1))
  await settled()
  const [{ id }] = last().commits()
  last().say({ type: 'committed', id, position: P[2], changed: true }, change(P[0], '1.ffffffff', []))
  clock.advance(100)
  await settled()
  last().say(snapshot('2.ffffffff', patchA(0)), live('2.ffffffff'))
  assert.deepEqual(last().commits().map(commit => commit.id), [id])
  assert.equal(await outcome(done), 'waiting')
})

test('a recipe runs once for a document, not once for every message', async () => {
  const { session, last } = await opened()
  let runs = 0
  session.update(draft => { draft.a.n = ++runs })
  await settled()
  last().say({ type: 'presence', connections: [] }, { type: 'mode', mode: 'live' }, { type: 'heartbeat', position: P[1] })
  session.patch({ b: 1 })
  assert.deepEqual([runs, last().commits().length], [1, 1])
  last().say(change(P[1], P[2], [{ op: 'add', path: '/c', value: 1 }]))
  assert.equal(runs, 2)
})

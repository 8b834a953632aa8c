/** What a copy does with what it hears: the vectors the hub passes too. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judge } from '../../client_js/judge.js'
import { settled } from './support/fakes.js'
import { connecting, opened, P } from './support/open.js'
import { canonical, vectors } from './support/vectors.js'

for (const { name, at, base, position, verdict } of vectors('judge')) {
  test(`judge: ${name}`, () => assert.equal(judge(at, base, position), verdict))
}

/** Says each message to the connection there is, and counts how often the copy dropped it to start again. */
async function tell({ session, clock, last }, messages) {
  let reloads = 0
  for (const message of messages) {
    last().say(message)
    if (session.status.get().name !== 'waiting') continue
    assert.equal(session.status.get().reason, 'reload')
    reloads++
    clock.advance(20_000)
    await settled()
    assert.equal(last().url.search, '', 'it asks for a snapshot, and for nothing else')
  }
  return reloads
}

for (const { name, steps, expect } of vectors('replica')) {
  test(`replica: ${name}`, async () => {
    const world = connecting()
    await settled()
    const reloads = await tell(world, steps.map(({ receive }) => receive))
    const { session } = world
    const { document = null, position = null } = { document: session.get(), position: session.position.get() }
    assert.equal(canonical({ position, document, reloads }), canonical(expect))
  })
}

test('a message that breaks the protocol asks for a reload, never for an exception', async () => {
  const good = { type: 'snapshot', position: '1.aaaaaaaa', view: '5be01c77', document: { a: 1 } }
  for (const bad of [
    { type: 'snapshot' }, { ...good, document: [] }, { ...good, document: null }, { ...good, position: 1 }, { type: 'live' },
    { type: 'change' }, { type: 'change', base: '1.aaaaaaaa', position: 2, ops: [] }, { type: 'change', base: null, position: '2.b', ops: [] },
    { type: 'change', base: '1.aaaaaaaa', position: '2.bbbbbbbb' }, { type: 'change', base: '1.aaaaaaaa', position: '2.bbbbbbbb', ops: [null] },
    { type: 'change', base: 'x', position: 'y', ops: [] }, { type: 'heartbeat', position: '7.x' },
  ]) {
    const world = connecting()
    await settled()
    assert.equal(await tell(world, [good, bad]), 1, JSON.stringify(bad))
    assert.deepEqual([world.session.position.get(), world.session.get()], [undefined, { a: 1 }])
  }
})

test('a snapshot keeps the identity of what it does not change', async () => {
  const { session, last } = await opened({ a: { n: 1 }, b: { n: 1 } })
  const { a } = session.get()
  last().say({ type: 'snapshot', position: P[2], view: 'v', session: { sid: 's1' }, document: { a: { n: 1 }, b: { n: 2 } } })
  assert.equal(session.get().a, a)
  assert.equal(session.get().b.n, 2)
})

/** What a copy does with what it hears: the vectors the hub passes too. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judge, Replica } from '../../client_js/replica.js'
import { canonical, vectors } from './support/vectors.js'

for (const { name, at, base, position, verdict } of vectors('judge')) {
  test(`judge: ${name}`, () => assert.equal(judge(at, base, position), verdict))
}

for (const { name, steps, expect } of vectors('replica')) {
  test(`replica: ${name}`, () => {
    const copy = new Replica()
    const reloads = steps.filter(({ receive }) => copy.receive(receive) === 'reload').length
    const { document = null, position = null } = copy
    assert.equal(canonical({ position, document, reloads }), canonical(expect))
  })
}

test('a message that breaks the protocol asks for a reload, never for an exception', () => {
  const good = { type: 'snapshot', position: '1.aaaaaaaa', view: '5be01c77', document: { a: 1 } }
  for (const bad of [
    { type: 'snapshot' }, { ...good, document: [] }, { ...good, document: null }, { ...good, position: 1 }, { type: 'live' },
    { type: 'change' }, { type: 'change', base: '1.aaaaaaaa', position: 2, ops: [] }, { type: 'change', base: null, position: '2.b', ops: [] },
    { type: 'change', base: '1.aaaaaaaa', position: '2.bbbbbbbb' }, { type: 'change', base: '1.aaaaaaaa', position: '2.bbbbbbbb', ops: [null] },
    { type: 'change', base: 'x', position: 'y', ops: [] }, { type: 'heartbeat', position: '7.x' },
  ]) {
    const copy = new Replica()
    copy.receive(good)
    assert.equal(copy.receive(bad), 'reload', JSON.stringify(bad))
    assert.deepEqual([copy.position, copy.document], [undefined, { a: 1 }])
  }
})

test('a snapshot keeps the identity of what it does not change', () => {
  const copy = new Replica()
  copy.receive({ type: 'snapshot', position: '1.aaaaaaaa', view: 'v', document: { a: { n: 1 }, b: { n: 1 } } })
  const { a } = copy.document
  copy.receive({ type: 'snapshot', position: '2.bbbbbbbb', view: 'v', document: { a: { n: 1 }, b: { n: 2 } } })
  assert.equal(copy.document.a, a)
  assert.equal(copy.document.b.n, 2)
})

/** Documents nobody would write by accident: keys with a meaning of their own, huge values, text that is no text. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { change, live, settled, snapshot } from './support/fakes.js'
import { connecting, later, opened, outcome, P, record } from './support/open.js'
import { canonical } from './support/vectors.js'

const KEYS = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf', 'then', 'isWellFormed', 'toJSON']
const parse = text => JSON.parse(text)
const at = (key, value) => parse(`{${JSON.stringify(key)}:${JSON.stringify(value)}}`)

function clean() {
  assert.equal({}.polluted, undefined)
  assert.equal([].polluted, undefined)
  assert.equal(typeof Object.prototype.toString, 'function')
  assert.deepEqual(Object.keys(Object.prototype), [])
}

for (const key of KEYS) {
  test(`${key} is a key like any other, from the hub and from the page`, async () => {
    const value = at(key, { polluted: 1 })
    const { session, last } = await opened({ a: value, ...at(key, { polluted: 1 }) })
    const told = record(session.section(key))
    assert.equal(canonical(session.get()), canonical({ a: value, ...at(key, { polluted: 1 }) }))
    assert.deepEqual(session.section(key).get(), { polluted: 1 })

    const patched = later(session.patch({ a: at(key, { polluted: 2, more: null }) }))
    const applied = later(session.apply([{ op: 'add', path: `/a/${key}/deep`, value: at(key, 3) }]))
    const replaced = later(session.section(key).replace({ polluted: 4 }))
    await settled()
    assert.equal(last().commits().length, 3)
    assert.equal(canonical(last().commits()[0].patch), canonical({ a: at(key, { polluted: 2, more: null }) }))
    const expected = { a: at(key, { polluted: 2, deep: at(key, 3) }), ...at(key, { polluted: 4 }) }
    assert.equal(canonical(session.get()), canonical(expected))
    for (const [i, { id }] of last().commits().entries()) last().say({ type: 'rejected', id, problem: { code: `no${i}`, ...at(key, 1) } })
    for (const done of [patched, applied, replaced]) assert.match((await done).error.code, /^no/)
    last().say(change(P[1], P[2], [{ op: 'remove', path: `/a/${key}` }, { op: 'remove', path: `/${key}` }]))
    assert.deepEqual([canonical(session.get()), session.section(key).get(), told.at(-1)], ['{"a":{}}', undefined, undefined])
    clean()
  })

  test(`${key} in an update: the draft has it, and the ops name it`, async () => {
    const { session, last } = await opened({ a: at(key, [1]) })
    const done = later(session.update(draft => { Object.getOwnPropertyDescriptor(draft.a, key).value.push({ polluted: 1 }) }))
    await settled()
    assert.deepEqual(last().commits().map(({ ops }) => ops), [[{ op: 'add', path: `/a/${key}/1`, value: { polluted: 1 } }]])
    session.close()
    assert.equal((await done).error.code, 'closed')
    clean()
  })
}

test('a message with such fields is a message', async () => {
  const { session, last } = await opened({ a: 1 })
  for (const text of [
    '{"type":"__proto__","__proto__":{"polluted":1}}', '{"type":"constructor"}', '{"__proto__":{"type":"ended"}}', '{"type":"mode","mode":"__proto__"}',
    '{"type":"committed","id":"__proto__","position":"1.aaaaaaaa","changed":true}', '{"type":"rejected","id":"constructor","problem":{"code":"x"}}',
  ]) last().onmessage({ data: text })
  assert.deepEqual([session.status.get().name, session.get()], ['live', { a: 1 }])
  clean()
})

test('1 MiB of text and 10 000 keys arrive, change, and cost no second', async () => {
  const long = 'x'.repeat(2 ** 20)
  const wide = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, { n: i }]))
  const began = process.cpuUsage()
  const { session, last } = await opened({ long: { text: long }, wide })
  const { wide: before } = session.get()
  const told = record(session.section('long'))
  last().say(change(P[1], P[2], [{ op: 'replace', path: '/wide/k5000/n', value: -1 }]))
  assert.equal(session.get().wide.k5000.n, -1)
  assert.equal(session.get().wide.k4999, before.k4999)
  const done = later(session.patch({ wide: { k7: { n: 7.5 }, k8: null } }))
  const updated = later(session.update(draft => { draft.wide.k9.n = 9.5 }))
  assert.deepEqual([session.get().wide.k7.n, session.get().wide.k9.n, 'k8' in session.get().wide, told.length], [7.5, 9.5, false, 1])
  last().say(change(P[2], P[3], [{ op: 'replace', path: '/wide/k7/n', value: 7.5 }, { op: 'remove', path: '/wide/k8' }], { commit: last().commits()[0].id }))
  assert.deepEqual(last().commits()[1].ops, [{ op: 'replace', path: '/wide/k9/n', value: 9.5 }])
  last().say(change(P[3], P[4], last().commits()[1].ops, { commit: last().commits()[1].id }))
  assert.deepEqual([(await done).value.position, (await updated).value.position], [P[3], P[4]])
  assert.equal(told.length, 1, 'the text was not touched')
  assert.ok(process.cpuUsage(began).user < 3_000_000, 'all of it in little time')

  const { error } = await outcome(session.patch({ long: { text: long } }))
  assert.deepEqual([error.code, session.status.get().name, last().commits().length], ['too_large', 'live', 2])
})

test('10 000 sections, each followed', async () => {
  const document = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`s${i}`, { n: i }]))
  const { session, last } = await opened(document)
  let told = 0
  for (const name in document) session.section(name).listen(() => { told++ })
  last().say(change(P[1], P[2], [{ op: 'replace', path: '/s77/n', value: 0 }]))
  assert.equal(told, 1)
})

test('text that is no text is refused here; from the hub it is shown as it is', async () => {
  const { session, last } = await opened({ a: { text: '' } })
  for (const bad of ['\ud800', 'a\udc00b', '\\\ud83d', '\ud83d\ud83d\ude00']) {
    await assert.rejects(session.patch({ a: { text: bad } }), TypeError)
    await assert.rejects(session.patch({ a: { [bad]: 1 } }), TypeError)
    await assert.rejects(session.apply([{ op: 'add', path: '/a/text', value: [bad] }]), TypeError)
    await assert.rejects(session.update(draft => { draft.a.text = bad }), TypeError)
  }
  assert.deepEqual([last().sent, session.get(), session.pending.get()], [[], { a: { text: '' } }, 0])
  for (const good of ['😀', '\\ud800', '\\\\udfff', '"\\\\\\ud83d', 'ud800', '\u0000\u2028']) {
    later(session.patch({ a: { text: good } }, { id: `x${Math.random().toString().slice(2)}`.padEnd(16, '0') }))
    assert.equal(last().commits().at(-1).patch.a.text, good)
  }
  last().onmessage({ data: `{"type":"change","base":"${P[1]}","position":"${P[2]}","ops":[{"op":"add","path":"/b","value":"\\ud800"}]}` })
  assert.equal(session.get().b, '\ud800')
})

test('numbers that would be others at the hub are refused here', async () => {
  const { session, last } = await opened({ a: { n: 0 } })
  for (const bad of [2 ** 53, -(2 ** 53), 1e20, Number.NaN, Infinity, -Infinity]) await assert.rejects(session.patch({ a: { n: bad } }), TypeError, String(bad))
  assert.deepEqual(last().sent, [])
  for (const good of [2 ** 53 - 1, 1e21, 1e300, 0.1, -0, 5e-324]) later(session.patch({ a: { n: good } }, { id: `n${String(good)}`.replace(/[^\w]/g, '_').padEnd(16, '0') }))
  assert.equal(last().commits().length, 6)
})

test('deep documents are shared and followed to the 64th level', async () => {
  let deep = { end: 1 }
  for (let i = 0; i < 62; i++) deep = { d: deep, e: [1] }
  const { session, last } = await opened({ deep })
  const path = `/deep${'/d'.repeat(62)}/end`
  const { e } = session.get().deep.d
  last().say(change(P[1], P[2], [{ op: 'replace', path, value: 2 }]))
  assert.equal(canonical(session.get()).includes('{"end":2}'), true)
  assert.equal(session.get().deep.d.e, e)
})

test('an initial document is data as well', async () => {
  const initial = parse(`{"document":{"__proto__":{"polluted":1},"a":1},"position":"${P[1]}","view":"5be01c77"}`)
  const { session, last } = connecting({ initial })
  await settled()
  assert.deepEqual([Object.keys(session.get()), session.section('__proto__').get()], [['__proto__', 'a'], { polluted: 1 }])
  last().say(snapshot(P[2], parse('{"__proto__":{"polluted":1},"a":2}')), live(P[2]))
  assert.equal(canonical(session.get()), '{"__proto__":{"polluted":1},"a":2}')
  clean()
})

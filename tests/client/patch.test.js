/** Documents as values: the shared vectors, and what only the browser's copy promises. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyOps, diff, merge, share, toJson } from '../../client_js/patch.js'
import { randomFrom, randomJson, seeded } from './support/random.js'
import { canonical, vectors } from './support/vectors.js'

const parse = text => JSON.parse(text)

const freeze = value => share(undefined, value)
const equal = (a, b) => share(a, b) === a

for (const { name, document: given, ops, result, error } of vectors('apply')) {
  test(`apply: ${name}`, () => {
    const document = freeze(given)
    const before = canonical(document)
    if (error) assert.throws(() => applyOps(document, ops), TypeError)
    else assert.equal(canonical(applyOps(document, ops)), canonical(result))
    assert.equal(canonical(document), before)
    assert.equal({}.x, undefined)
  })
}

for (const { name, document, patch, result } of vectors('merge')) {
  test(`merge: ${name}`, () => {
    assert.equal(canonical(merge(freeze(document), patch)), canonical(result))
    assert.equal({}.x, undefined)
  })
}

test('only what the wire brings is applied here', () => {
  const document = { a: { b: 1 }, list: [1, 2] }
  for (const op of [
    { op: 'test', path: '/a/b', value: 1 }, { op: 'move', from: '/a', path: '/c' }, { op: 'copy', from: '/a', path: '/c' },
    { op: 'sleep', path: '/a' }, { op: 'add', path: '/a' }, { op: 'remove', path: '' }, { op: 'replace', path: '', value: [] },
    { op: 'add', value: 1 }, {}, null, 'add', 3,
  ]) assert.throws(() => applyOps(document, [op]), TypeError, JSON.stringify(op))
  assert.throws(() => applyOps(document, undefined), TypeError)
  assert.deepEqual(applyOps(document, [{ op: 'replace', path: '', value: { x: 1 } }]), { x: 1 })
})

test('what an edit does not touch keeps its identity', () => {
  const document = { a: { x: { y: 1 } }, b: { list: [{ n: 1 }, { n: 2 }] } }
  const next = applyOps(document, [{ op: 'replace', path: '/b/list/0/n', value: 9 }])
  assert.equal(next.a, document.a)
  assert.equal(next.b.list[1], document.b.list[1])
  assert.notEqual(next.b, document.b)
})

test('share gives back the old value where nothing differs', () => {
  const old = { a: { x: [1, { y: 2 }] }, b: 1 }
  assert.equal(share(old, { b: 1.0, a: { x: [1, { y: 2 }] } }), old)
  const next = share(old, { a: { x: [1, { y: 2 }] }, b: 2 })
  assert.equal(next.a, old.a)
  assert.equal(next.b, 2)
  assert.equal(share([1, 2], [1]).length, 1)
  assert.ok(Object.hasOwn(share({}, parse('{"__proto__":{}}')), '__proto__'))
  assert.equal(share({ a: parse('{}') }, { a: parse('{"__proto__":{}}') }).a['__proto__'] === Object.prototype, false)
  const odd = parse('{"__proto__":{"x":1},"b":2}')
  assert.equal(share(odd, parse('{"__proto__":{"x":1},"b":2}')), odd)
  assert.equal(canonical(share(odd, parse('{"__proto__":{"x":3},"b":2}'))), '{"__proto__":{"x":3},"b":2}')
})

test('equality is that of JSON', () => {
  assert.ok(equal({ a: 1, b: [null] }, { b: [null], a: 1.0 }))
  for (const [a, b] of [[1, true], [0, false], ['1', 1], [null, {}], [[], {}], [{ a: 1 }, { b: 1 }], [{}, { a: 1 }], [[1], [1, 1]], [{ toString: 1 }, { x: 1 }]]) {
    assert.ok(!equal(a, b) && !equal(b, a), JSON.stringify([a, b]))
  }
})

test('a frozen document is frozen to its leaves', () => {
  const document = freeze({ a: { list: [{}] } })
  assert.throws(() => { document.a.list[0].x = 1 }, TypeError)
  assert.throws(() => document.a.list.push(1), TypeError)
})

test('numbers that JSON cannot write are refused, not turned into null', () => {
  assert.throws(() => toJson({ a: [Number.NaN] }), TypeError)
  assert.throws(() => toJson({ a: Infinity }), TypeError)
  assert.deepEqual(toJson({ a: undefined, b: null }), { b: null })
})

test('diff leads from one document to the other, for 3000 random pairs', () => {
  for (let seed = 1; seed <= 3000; seed++) {
    const random = seeded(seed)
    const old = freeze({ a: randomJson(random, 4), b: randomJson(random, 3) })
    const next = randomFrom(random, [() => ({ a: randomJson(random, 4) }), () => tweak(random, old)])()
    const ops = diff(old, share(old, next))
    assert.ok(equal(applyOps(old, ops), next), `seed ${seed}`)
    assert.equal(ops.length === 0, equal(old, next), `seed ${seed}`)
  }
})

test('diff is small where little changed', () => {
  const list = Array.from({ length: 100 }, (_, id) => ({ id }))
  assert.deepEqual(diff({ c: list }, { c: [...list, { id: 100 }] }), [{ op: 'add', path: '/c/100', value: { id: 100 } }])
  assert.deepEqual(diff({ c: list }, { c: list.slice(0, 98) }), [{ op: 'remove', path: '/c/98' }, { op: 'remove', path: '/c/98' }])
  assert.deepEqual(diff({ c: list }, { c: list.with(7, 0) }), [{ op: 'replace', path: '/c/7', value: 0 }])
  assert.deepEqual(diff({ 'a/b~': { n: 1 } }, { 'a/b~': { n: null } }), [{ op: 'replace', path: '/a~1b~0/n', value: null }])
  assert.equal(diff({ c: list }, { c: list.map(({ id }) => ({ id: -id - 1 })) }).length, 1)
})

function tweak(random, document) {
  const copy = toJson(document)
  const nodes = [copy]
  for (const node of nodes) for (const value of Object.values(node)) if (typeof value === 'object' && value) nodes.push(value)
  const node = randomFrom(random, nodes)
  if (Array.isArray(node)) node.splice(Math.floor(random() * (node.length + 1)), Math.floor(random() * 2), randomJson(random, 1))
  else node[randomFrom(random, ['k', 'x/y', '~', '', '0'])] = randomJson(random, 1)
  return copy
}

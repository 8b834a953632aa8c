/** The React adapter in React itself: it draws for other values, for nothing else, and stops when it is taken away. */
import assert from 'node:assert/strict'
import { register } from 'node:module'
import { after, test } from 'node:test'
import { change } from './support/fakes.js'
import { opened, P } from './support/open.js'
import { page } from './support/page.js'

const { drop } = page()
after(drop)
globalThis.IS_REACT_ACT_ENVIRONMENT = true
const here = import.meta.resolve('react') // the adapter lies elsewhere, and finds React where its page has it
register(`data:text/javascript,${encodeURIComponent(`export const resolve = (name, context, next) => name === 'react' ? { url: '${here}', shortCircuit: true } : next(name, context)`)}`)
const { act, createElement: h, StrictMode } = await import('react')
const { createRoot } = await import('react-dom/client')
const { renderToString } = await import('react-dom/server')
const { useSection, useSelect, useSession, useStatus } = await import('../../client_js/react.js')

const replace = (path, value) => ({ op: 'replace', path, value })

/** Draws `Body` into an element of its own. Returns what it shows and how often it was drawn. */
async function draw(t, Body) {
  const element = document.createElement('div')
  const root = createRoot(element)
  const drawn = { count: 0, get text() { return element.textContent }, remove: () => act(() => root.unmount()) }
  const Counted = () => {
    drawn.count++
    return h('p', null, Body())
  }
  await act(() => root.render(h(Counted)))
  t.after(() => act(() => root.unmount()))
  return drawn
}

test('hooks draw anew only for other values', async t => {
  const { session, last } = await opened({ a: { n: 1 }, b: 1 })
  const whole = await draw(t, () => JSON.stringify(useSession(session)))
  const section = await draw(t, () => useSection(session, 'a').n)
  const inline = await draw(t, () => useSelect(session, document => ({ twice: document.a.n * 2 }), (x, y) => x.twice === y.twice).twice)
  const plain = await draw(t, () => useSelect(session, document => document.b))
  const status = await draw(t, () => useStatus(session).name)
  const counts = () => [whole, section, inline, plain, status].map(({ count }) => count)
  assert.deepEqual(counts(), [1, 1, 1, 1, 1])
  await act(() => last().say(change(P[1], P[2], [replace('/b', 2)])))
  assert.deepEqual([whole.text, plain.text, counts()], ['{"a":{"n":1},"b":2}', '2', [2, 1, 1, 2, 1]])
  await act(() => last().say(change(P[2], P[3], [replace('/a/n', 2)])))
  assert.deepEqual([section.text, inline.text, counts()], ['2', '4', [3, 2, 2, 2, 1]])
  await act(() => last().end())
  assert.deepEqual([status.text, counts()], ['waiting', [3, 2, 2, 2, 2]])
})

test('a selector that makes a new object every time does not run in circles', async t => {
  const { session, last } = await opened({ a: { n: 1 }, b: 1 })
  const drawn = await draw(t, () => useSelect(session, document => [document.a.n])[0])
  assert.deepEqual([drawn.text, drawn.count], ['1', 1])
  await act(() => last().say(change(P[1], P[2], [replace('/a/n', 2)])))
  assert.equal(drawn.text, '2')
})

test('a selector that looks at other things than the document sees them', async t => {
  const { session } = await opened({ a: 1, b: 2 })
  let set
  const { useState } = await import('react')
  const drawn = await draw(t, () => {
    const [name, setName] = useState('a')
    set = setName
    return useSelect(session, document => document[name])
  })
  await act(() => set('b'))
  assert.equal(drawn.text, '2')
})

test('what is typed shows at once, and an end empties it', async t => {
  const { session, last } = await opened({ profile: { name: '' } })
  const drawn = await draw(t, () => useSection(session, 'profile')?.name ?? 'nobody')
  await act(() => { session.patch({ profile: { name: 'Ada' } }).catch(() => {}) })
  assert.equal(drawn.text, 'Ada')
  await act(() => last().say({ type: 'ended', reason: 'revoked' }))
  assert.equal(drawn.text, 'nobody')
})

test('what is taken away follows nothing any more; StrictMode draws twice and follows once', async t => {
  const { session, last } = await opened({ b: 1 })
  const drawn = await draw(t, () => useSession(session).b)
  await drawn.remove()
  const element = document.createElement('div')
  const root = createRoot(element)
  t.after(() => act(() => root.unmount()))
  const Body = () => h('i', null, useSession(session).b)
  await act(() => root.render(h(StrictMode, null, h(Body))))
  await act(() => last().say(change(P[1], P[2], [replace('/b', 2)])))
  assert.deepEqual([drawn.count, element.textContent], [1, '2'])
})

test('on a server it renders what the page was given', async () => {
  const { session } = await opened({}, { initial: { document: { b: 7 }, position: P[1], view: '5be01c77' } })
  assert.equal(renderToString(h(() => h('b', null, useSelect(session, document => document?.b ?? 0)))), '<b>0</b>')
  session.close()
})

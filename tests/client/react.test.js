/** The React adapter renders for other values, and for nothing else. */
import assert from 'node:assert/strict'
import { register } from 'node:module'
import { test } from 'node:test'
import { change } from './support/fakes.js'
import { opened, P } from './support/open.js'

const stand = new URL('support/react.js', import.meta.url).href
register(`data:text/javascript,${encodeURIComponent(
  `export const resolve = (name, context, next) => name === 'react' ? { url: '${stand}', shortCircuit: true } : next(name, context)`)}`)
const { mount } = await import('./support/react.js')
const { useSection, useSelect, useSession, useStatus } = await import('../../client_js/react.js')

test('hooks render anew only for other values', async () => {
  const { session, last } = await opened({ a: { n: 1 }, b: 1 })
  const whole = mount(() => useSession(session).b)
  const section = mount(() => useSection(session, 'a').n)
  const inline = mount(() => useSelect(session, document => ({ twice: document.a.n * 2 }), (x, y) => x.twice === y.twice))
  const status = mount(() => useStatus(session).name)
  last().say(change(P[1], P[2], [{ op: 'replace', path: '/b', value: 2 }]), change(P[2], P[3], [{ op: 'replace', path: '/a/n', value: 2 }]))
  last().end()
  assert.deepEqual([whole, section, status], [[1, 2, 2], [1, 2], ['live', 'waiting']])
  assert.deepEqual(inline, [{ twice: 2 }, { twice: 4 }])
})

/** What the README shows runs as it stands; what it says of the package is so. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ObligingSocket } from './support/obliging.js'

const folder = new URL('../../client_js/', import.meta.url)
const read = name => readFileSync(new URL(name, folder), 'utf8')
const snippets = [...read('README.md').matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code)

test('the README has its snippets', () => assert.equal(snippets.length, 6))

for (const [i, code] of snippets.entries()) {
  test(`snippet ${i + 1} of the README runs`, async t => {
    t.mock.method(console, 'log', () => {})
    const browser = code.includes('/client/index.js')
    const values = { WebSocket: ObligingSocket, fetch: async () => ({ ok: true, status: 201, json: async () => ({ ticket: 't' }) }) }
    for (const [name, value] of Object.entries(browser ? { ...values, location: { origin: 'http://hub.test' } } : values)) {
      const before = Object.getOwnPropertyDescriptor(globalThis, name)
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true })
      t.after(() => (before ? Object.defineProperty(globalThis, name, before) : delete globalThis[name]))
    }
    const open = code.includes('.close()') ? '' : '\nsession.close()'
    const module = code.replaceAll(/from '([^']+)'/g, (_, name) => `from '${name === 'nanostores' ? import.meta.resolve(name) : new URL('index.js', folder)}'`) + open
    await import(`data:text/javascript,${encodeURIComponent(module)}`)
  })
}

test('the package has no dependencies, exports what exists, and imports only its own files', () => {
  const { dependencies, exports } = JSON.parse(read('package.json'))
  assert.equal(dependencies, undefined)
  for (const target of Object.values(exports).flatMap(entry => Object.values(typeof entry === 'string' ? { entry } : entry))) assert.ok(read(target))
  for (const name of readdirSync(folder).filter(file => file.endsWith('.js'))) {
    const code = read(name)
    for (const [, from] of code.replace(/^ \*.*$/gm, '').matchAll(/(?:from|import\()\s*'([^']+)'/g)) {
      assert.ok(from.startsWith('./') ? read(from) : name === 'react.js' && from === 'react', `${name} imports ${from}`)
    }
    assert.doesNotMatch(code, /\beval\b|new Function|innerHTML|document\.write/)
  }
})

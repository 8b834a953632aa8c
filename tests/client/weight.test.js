/** What the client weighs (`support/weigh.js` says how); what is loaded only when asked for is weighed for itself. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LATER, weigh } from './support/weigh.js'

const KB = 1000
const BUDGETS = { 'core.js': 5 * KB, 'index.js': 5.5 * KB }

for (const [name, budget] of Object.entries(BUDGETS)) {
  test(`${name} weighs at most ${budget / KB} kB minified and gzipped`, async t => {
    const { bytes, code } = await weigh(name)
    t.diagnostic(`${name}: ${bytes} bytes of ${budget} (${code.length} before gzip)`)
    assert.ok(bytes <= budget, `${bytes} bytes`)
    assert.ok(bytes > budget / 2, 'a bundle that lacks most of its parts weighs nothing')
  })
}

test('what a page loads has no part that it loads only when asked for, and nothing of others', async () => {
  const { inputs } = await weigh('index.js')
  for (const input of inputs) assert.match(input, /client_js\/[a-z]+\.js$/)
  for (const name of LATER) assert.ok(!inputs.some(input => input.endsWith(name.slice(1))), name)
})

test('the parts for some stay small', async t => {
  for (const [name, budget] of [['debug.js', 3 * KB], ['token.js', KB], ['react.js', KB / 2]]) {
    const { bytes } = await weigh(name)
    t.diagnostic(`${name}: ${bytes} bytes of ${budget}`)
    assert.ok(bytes <= budget, `${name}: ${bytes} bytes`)
  }
})

/** Three tabs on real sockets against a hub whose address is the first argument. Exits with 0 when all holds. */
import assert from 'node:assert/strict'
import { connectSession } from '../../../client_js/index.js'

const [url] = process.argv.slice(2)
const deadline = { timeoutMs: 5000 }
const open = () => connectSession({ url, retry: { minMs: 20, maxMs: 200 } })
const tabs = [open(), open(), open()]
const [one, two, three] = tabs

for (const tab of tabs) assert.deepEqual(await tab.ready(), { a: { n: 0 } })
const committed = await one.patch({ a: { n: 1 } })
assert.equal(committed.position, one.position.get())
for (const tab of tabs) await tab.until(({ a }) => a.n === 1, deadline)

const seen = []
two.section('break').listen(value => seen.push(value))
const reasons = []
two.status.listen(({ name }) => reasons.push(name))
await two.patch({ break: { once: true } })
await two.ready()
assert.deepEqual(seen, [{ once: true }], 'shown at once, and no other value while its connection broke')
assert.deepEqual(reasons, ['waiting', 'connecting', 'live'])
const types = two.inspect().frames.filter(({ direction }) => direction === 'in').map(({ message }) => message.type)
assert.equal(types.filter(type => type === 'snapshot').length, 1, 'resumed, not reloaded')
await three.until(document => document.break, deadline)

await Promise.all(Array.from({ length: 50 }, (_, i) => tabs[i % 3].patch({ [`k${i}`]: i })))
const positions = await Promise.all(tabs.map(async tab => {
  await tab.until(document => Array.from({ length: 50 }, (_, i) => `k${i}`).every(key => key in document), deadline)
  return tab.position.get()
}))
assert.equal(new Set(positions).size, 1)
assert.deepEqual(one.get(), two.get())

const ended = tabs.map(tab => new Promise(resolve => tab.on('ended', resolve)))
one.patch({ end: true }).catch(error => assert.equal(error.code, 'session_ended'))
for (const { reason, code } of await Promise.all(ended)) assert.deepEqual([reason, code], ['revoked', 4500])
for (const tab of tabs) assert.deepEqual([tab.get(), tab.status.get().name], [undefined, 'ended'])

/** A field that is typed in: it never jumps, the commits are few, and the last word is the last one typed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settled } from './support/fakes.js'
import { ModelHub } from './support/hub.js'
import { later, opened, outcome, record } from './support/open.js'
import { connectSession } from '../../client_js/index.js'
import { FakeClock } from './support/fakes.js'

const name = text => ({ profile: { name: text } })

/** Two tabs on a model of the hub whose messages take half of `rtt` each way, moved by one clock. */
function twoTabs(rtt) {
  const hub = new ModelHub({ profile: { name: '' } })
  const clock = new FakeClock()
  const carry = wire => {
    const move = () => {
      if (wire.toHub.length) {
        const waiting = wire.toHub.splice(0)
        clock.setTimeout(() => {
          for (const message of waiting) {
            wire.toHub.unshift(message)
            hub.hear(wire)
          }
        }, rtt / 2)
      }
      for (const message of wire.toTab.splice(0)) clock.setTimeout(() => wire.onmessage({ data: JSON.stringify(message) }), rtt / 2)
      clock.setTimeout(move, 1)
    }
    move()
  }
  const tabs = [0, 1].map(() => {
    const Wire = hub.socketClass()
    class Carried extends Wire {
      constructor(...args) {
        super(...args)
        carry(this)
      }
    }
    return connectSession({ url: 'http://hub.test', WebSocket: Carried, clock })
  })
  return { hub, clock, tabs }
}

for (const rtt of [4, 150, 1200]) {
  test(`50 keystrokes in 2 s over a round trip of ${rtt} ms`, async t => {
    const { hub, clock, tabs: [one, two] } = twoTabs(rtt)
    const pass = async ms => {
      for (let i = 0; i < ms; i += 4) {
        clock.advance(4)
        await undefined
      }
      await settled()
    }
    await settled()
    await pass(2 * rtt + 20)
    assert.equal(one.status.get().name, 'live')
    const shown = record(one.section('profile'))
    const elsewhere = record(two.section('profile'))
    const typed = []
    let text = ''
    for (let i = 0; i < 50; i++) {
      text += 'abcdefghij'[i % 10]
      typed.push(later(one.patch(name(text))))
      assert.equal(one.get().profile.name, text, 'shown at once')
      await pass(40)
    }
    await pass(4 * rtt + 400)
    assert.deepEqual(shown.map(profile => profile.name.length), Array.from({ length: 51 }, (_, i) => i), 'one step forth for each keystroke, none back')
    assert.equal(two.get().profile.name, text)
    assert.deepEqual(elsewhere.map(({ name: { length } }) => length), elsewhere.map(({ name: { length } }) => length).toSorted((a, b) => a - b))
    assert.ok((await Promise.all(typed)).every(({ value }) => value.changed), 'every keystroke is answered')
    t.diagnostic(`${hub.history.length} commits for 50 keystrokes`)
    assert.ok(hub.history.length >= 10 && hub.history.length <= 25, `${hub.history.length} commits`)
    assert.equal(one.pending.get(), 0)
  })
}

test('the first keystroke goes out at once, the next ones together, the last one within 100 ms', async () => {
  const { session, clock, last } = await opened({ profile: { name: '' } })
  for (const text of ['a', 'ab', 'abc']) later(session.patch(name(text)))
  assert.deepEqual(last().commits().map(({ patch }) => patch), [name('a')])
  assert.deepEqual([session.get(), session.pending.get()], [name('abc'), 2])
  clock.advance(99)
  assert.equal(last().commits().length, 1)
  clock.advance(1)
  assert.deepEqual(last().commits()[1].patch, name('abc'))
})

test('only what sets the very same members goes out together', async () => {
  const { session, clock, last } = await opened({ a: {}, b: {} })
  const id = 'x'.repeat(16)
  for (const [patch, options] of [
    [{ a: { n: 1 } }], [{ a: { m: 1 } }], [{ a: { m: 2, n: 2 } }], [{ b: { n: 1 } }], [{ a: null }], [{ a: { n: {} } }], [{ a: { n: { x: 1 } } }],
    [{ a: { n: [1] } }], [{ a: { n: 3 } }, { id }], [{ a: { n: 4 } }, { signal: new AbortController().signal }],
  ]) later(session.patch(patch, options))
  clock.advance(1000)
  assert.equal(last().commits().length, 10)
  const before = last().commits().length
  later(session.update(draft => { draft.a = 1 }))
  later(session.patch({ a: 2 }))
  assert.equal(last().commits().length, before, 'behind an update it waits')
})

test('what is typed without a connection is one commit, and waits as long as the last keystroke', async () => {
  const { session, clock, last } = await opened({ profile: { name: '' } }, { random: () => 1, retry: { minMs: 60_000, maxMs: 60_000 } })
  last().end()
  const first = later(session.patch(name('a')))
  clock.advance(9000)
  const second = later(session.patch(name('ab')))
  assert.equal(session.pending.get(), 1)
  clock.advance(9999)
  assert.deepEqual([session.get(), await outcome(first)], [name('ab'), 'waiting'])
  clock.advance(1)
  assert.deepEqual([(await first).error.code, (await second).error.code, session.get()], ['offline', 'offline', name('')])
})

test('a refusal of what went out together takes all of it back, and says so to each', async () => {
  const { session, clock, last } = await opened({ profile: { name: '' } })
  const done = ['a', 'ab', 'abc'].map(text => later(session.patch(name(text))))
  clock.advance(100)
  const [first, second] = last().commits()
  last().say({ type: 'rejected', id: second.id, problem: { code: 'schema_violation', status: 422 } })
  assert.deepEqual(session.get(), name('a'))
  last().say({ type: 'rejected', id: first.id, problem: { code: 'forbidden', status: 403 } })
  assert.deepEqual((await Promise.all(done)).map(({ error }) => error.code), ['forbidden', 'schema_violation', 'schema_violation'])
  assert.deepEqual(session.get(), name(''))
})

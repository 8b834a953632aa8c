/** Coming back, and not coming back: sockets, windows, close codes, silence, the end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { change, live, settled, snapshot } from './support/fakes.js'
import { connecting, later, opened, outcome, P, record } from './support/open.js'

const patchA = n => ({ a: { n } })

test('it asks for the hub\'s own session, by hub.v1, and resumes by position and view', async () => {
  const { clock, sockets, last } = await opened(undefined, { app: 'shop', presence: true })
  assert.equal(last().url.href, 'ws://hub.test/v1/sessions/me/live?app=shop&presence=1')
  assert.deepEqual(last().protocols, ['hub.v1'])
  last().say(change(P[1], P[2], []))
  last().end()
  clock.advance(20_000)
  await settled()
  assert.equal(sockets.length, 2)
  assert.equal(last().url.search, `?position=${P[2]}&view=5be01c77&app=shop&presence=1`)
})

test('status: connecting until live, waiting with the time of the next attempt', async () => {
  const { session, clock, last } = connecting()
  const names = record(session.status)
  await settled()
  last().say(snapshot(P[1], {}))
  assert.equal(session.status.get().name, 'connecting')
  last().say(live(P[1]))
  last().end(1006, 'gone')
  assert.deepEqual(names.map(({ name }) => name), ['connecting', 'live', 'waiting'])
  assert.deepEqual(session.status.get(), { name: 'waiting', code: 1006, reason: 'gone', retryAt: clock.time + 100 })
  clock.advance(100)
  assert.equal(session.status.get().name, 'connecting')
})

test('the window doubles from 0.2 s to 20 s, and a random part of it is waited', async () => {
  const windows = []
  const { session, clock, last } = connecting({ random: () => 1 })
  for (let i = 0; i < 9; i++) {
    await settled()
    last().end()
    windows.push(session.status.get().retryAt - clock.time)
    clock.advance(20_000)
  }
  assert.deepEqual(windows, [200, 400, 800, 1600, 3200, 6400, 12_800, 20_000, 20_000])
  for (const part of [0, 0.25]) {
    const { session: other, clock: time, last: socket } = connecting({ random: () => part, retry: { minMs: 1000 } })
    await settled()
    socket().end()
    assert.equal(other.status.get().retryAt - time.time, 1000 * part)
  }
})

test('the counter starts anew only after 5 s live', async () => {
  const { session, clock, last } = await opened(undefined, { random: () => 1 })
  const wait = async ms => {
    clock.advance(ms)
    last().end()
    const window = session.status.get().retryAt - clock.time
    clock.advance(window)
    await settled()
    last().say(live(P[1]))
    return window
  }
  assert.deepEqual([await wait(0), await wait(4999), await wait(0), await wait(5000), await wait(0)], [200, 400, 800, 200, 400])
  clock.advance(5000)
  const windows = []
  for (let i = 0; i < 3; i++) {
    last().end()
    windows.push(session.status.get().retryAt - clock.time)
    clock.advance(windows.at(-1))
    await settled()
  }
  assert.deepEqual(windows, [200, 400, 800], 'attempts that never get live do not reset it')
})

test('a draining node says within which window to come back, once', async () => {
  for (const [reason, expected] of [['3000', 1500], ['0', 0], ['', 100], ['soon', 100], ['-5', 100], ['1e9', 100], ['99999999999', 100]]) {
    const { session, clock, last } = await opened()
    last().end(4001, reason)
    assert.equal(session.status.get().retryAt - clock.time, expected, reason)
    clock.advance(expected)
    await settled()
    last().end()
    assert.ok(session.status.get().retryAt - clock.time <= 200)
  }
})

test('45xx and 1009 do not come back, everything else does', async () => {
  const expected = {
    1000: 'waiting', 1001: 'waiting', 1006: 'waiting', 1008: 'waiting', 1009: 'closed', 1011: 'waiting', 1012: 'waiting', 4000: 'waiting',
    4002: 'waiting', 4003: 'waiting', 4499: 'waiting', 4500: 'ended', 4501: 'ended', 4502: 'closed', 4503: 'closed', 4504: 'closed', 4599: 'closed', 4600: 'waiting',
  }
  for (const [code, name] of Object.entries(expected)) {
    const { session, clock, sockets, last } = await opened()
    last().end(Number(code), 'why')
    assert.equal(session.status.get().name, name, code)
    assert.equal(session.get() === undefined, name === 'ended', code)
    clock.advance(600_000)
    await settled()
    if (name !== 'waiting') assert.deepEqual([sockets.length, clock.timers.size], [1, 0], code)
    else assert.ok(sockets.length > 1, code)
  }
})

test('a connection that has said nothing for 60 s is dropped; one that speaks is not', async () => {
  const { session, clock, sockets, last } = await opened()
  for (let i = 0; i < 4; i++) {
    clock.advance(59_999)
    last().say({ type: 'heartbeat', position: P[1] })
  }
  assert.equal(session.status.get().name, 'live')
  clock.advance(59_999)
  assert.equal(session.status.get().name, 'live')
  clock.advance(1)
  assert.deepEqual([session.status.get().reason, sockets[0].closed], ['silent', true])
  clock.advance(100)
  await settled()
  clock.advance(60_000)
  assert.deepEqual([sockets.length, sockets[1].closed], [2, true], 'a socket that never opens is silent too')
})

test('an abandoned socket is not heard any more', async () => {
  const { session, clock, sockets, last } = await opened()
  clock.advance(60_000)
  sockets[0].onmessage({ data: JSON.stringify(change(P[1], P[2], [{ op: 'replace', path: '/a/n', value: 9 }])) })
  sockets[0].onclose({ code: 4500, reason: '' })
  assert.deepEqual([session.status.get().name, session.get()], ['waiting', patchA(0)])
  clock.advance(100)
  await settled()
  last().say(live(P[1]))
  sockets[0].onclose({ code: 1006, reason: '' })
  assert.equal(session.status.get().name, 'live')
})

test('a gap, a fork and ops that do not fit are answered by a fresh snapshot, meanwhile the old copy stays', async () => {
  for (const bad of [change(P[2], P[3], []), change(P[0], '1.ffffffff', []), change(P[1], P[2], [{ op: 'remove', path: '/x/y' }]), { type: 'heartbeat', position: P[2] }]) {
    const { session, clock, sockets, last } = await opened()
    last().say(bad)
    assert.deepEqual([session.status.get().reason, session.position.get(), session.get(), sockets[0].closed], ['reload', undefined, patchA(0), true])
    clock.advance(100)
    await settled()
    assert.equal(last().url.search, '')
    last().say(snapshot(P[3], patchA(3)), live(P[3]))
    assert.deepEqual([session.get(), session.position.get()], [patchA(3), P[3]])
  }
})

test('what is not JSON breaks the connection, not the page; what is no message is not heard', async () => {
  for (const data of ['{', 'null', new ArrayBuffer(2), '']) {
    const { session, clock, last } = await opened()
    const errors = []
    session.on('error', error => errors.push(error))
    last().onmessage({ data })
    assert.deepEqual([session.status.get().name, session.get(), errors.length], ['waiting', patchA(0), 1])
    clock.advance(100)
    await settled()
    last().say(snapshot(P[3], patchA(3)), live(P[3]))
    assert.deepEqual([session.get(), session.status.get().name], [patchA(3), 'live'])
  }
  for (const data of ['7', '[]', '{}', '"x"', '{"type":"constructor"}', '{"type":"__proto__"}', '{"type":7}']) {
    const { session, last } = await opened()
    last().onmessage({ data })
    assert.deepEqual([session.status.get().name, session.position.get()], ['live', P[1]])
  }
})

test('ended: the copy is dropped, commits reject, nothing is sent again, and it is told once', async () => {
  const { session, clock, sockets, last } = await opened()
  const ends = []
  session.on('ended', fact => ends.push(fact))
  const values = record(session)
  const done = session.patch(patchA(1))
  await settled()
  const sent = last().sent.length
  last().say({ type: 'ended', reason: 'revoked', detail: 'by an operator', ended_at: '2026-11-24T10:00:00.000Z' })
  sockets[0].onclose({ code: 4500, reason: '' })
  const { error } = await outcome(done)
  assert.deepEqual([error.code, error.status, error.problem.reason], ['session_ended', 401, 'revoked'])
  assert.deepEqual(ends, [{ type: 'ended', reason: 'revoked', detail: 'by an operator', ended_at: '2026-11-24T10:00:00.000Z', code: 4500 }])
  assert.deepEqual([session.get(), session.position.get(), session.pending.get(), session.presence.get()], [undefined, undefined, 0, []])
  assert.deepEqual(session.status.get(), { name: 'ended', code: 4500, reason: 'revoked' })
  assert.equal(values.at(-1), undefined)
  assert.equal(JSON.stringify(session.inspect()).includes('"n"'), false)
  assert.equal((await outcome(session.patch(patchA(2)))).error.code, 'session_ended')
  clock.advance(600_000)
  await settled()
  session.close()
  assert.deepEqual([sockets.length, last().sent.length, session.status.get().name, last().closed], [1, sent, 'ended', true])
})

test('close() and an aborted signal end only this connection', async () => {
  const gone = new AbortController()
  for (const [options, stop] of [[{}, session => session.close()], [{ signal: gone.signal }, () => gone.abort()]]) {
    const { session, clock, sockets, last } = await opened(undefined, options)
    const done = outcome(session.patch(patchA(1)))
    stop(session)
    assert.equal((await done).error.code, 'closed')
    clock.advance(100) // the pace of the patch
    assert.deepEqual([session.status.get().name, session.get(), last().closed, clock.timers.size], ['closed', patchA(0), true, 0])
    assert.equal((await outcome(session.patch(patchA(2)))).error.code, 'closed')
    clock.advance(60_000)
    assert.equal(sockets.length, 1)
  }
})

test('a page that closes the session while being told of something ends it there', async () => {
  for (const hook of [session => session.on('frame', () => session.close()), session => session.listen(() => session.close()), session => session.status.listen(() => session.close())]) {
    const { session, clock, sockets, last } = connecting()
    await settled()
    hook(session)
    last().say(snapshot(P[1], {}))
    if (last().closed) assert.equal(session.position.get() === undefined, hook.toString().includes("'frame'"))
    else last().say(live(P[1]))
    clock.advance(60_000)
    await settled()
    assert.deepEqual([session.status.get().name, clock.timers.size, sockets.length], ['closed', 0, 1])
  }
})

test('another session in the same browser gets none of this one\'s commits', async () => {
  const { session, clock, last } = await opened()
  const sent = later(session.patch(patchA(1)))
  await settled()
  last().end()
  const queued = later(session.patch({ b: 1 }))
  clock.advance(100)
  await settled()
  last().say(snapshot('1.99999999', { a: { n: 7 } }, { reason: 'fork', session: { sid: 's2', user: 'grace' } }), live('1.99999999'))
  assert.deepEqual([(await sent).error?.code, (await queued).error?.code], ['session_changed', 'session_changed'])
  assert.deepEqual([session.get(), last().commits(), session.inspect().sid], [patchA(7), [], 's2'])
})

/** Getting in and out: addresses, tickets, log-out, and what a refusal there means. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectSession, HubError } from '../../client_js/index.js'
import '../../client_js/token.js' // there before it is asked for, so that a test need not wait for the disk
import { live, settled, snapshot } from './support/fakes.js'
import { connecting, opened, outcome, P } from './support/open.js'

const answer = (status, body) => ({ ok: status < 300, status, json: async () => {
  if (body === undefined) throw new SyntaxError('no body')
  return body
} })

/** A fetch that keeps what it was asked and answers from a list, the last one for ever. */
function fakeFetch(...answers) {
  const calls = []
  const fetch = async (url, init) => {
    calls.push({ url: String(url), ...init })
    const next = answers.length > 1 ? answers.shift() : answers[0]
    if (next instanceof Error) throw next
    return next
  }
  return { calls, fetch }
}

test('outside a browser an address and a WebSocket are asked for', () => {
  assert.throws(() => connectSession({ WebSocket: class {} }), TypeError)
  assert.throws(() => connectSession({ url: 'http://hub.test', WebSocket: null }), /WebSocket/)
  assert.throws(() => connectSession({ url: 'hub', WebSocket: class {} }), TypeError)
})

test('https becomes wss, and a base path is kept', async () => {
  for (const [url, expected] of [
    ['https://hub.test', 'wss://hub.test/v1/sessions/me/live'], ['https://hub.test/', 'wss://hub.test/v1/sessions/me/live'],
    ['http://hub.test:8000/base', 'ws://hub.test:8000/base/v1/sessions/me/live'],
  ]) {
    const { session, last } = connecting({ url })
    await settled()
    assert.equal(last().url.href, expected)
    session.close()
  }
})

test('a session token buys a ticket for every attempt, and never shows in an address', async () => {
  let asked = 0
  const { calls, fetch } = fakeFetch(answer(201, { ticket: 't1', expires_in: 30 }), answer(201, { ticket: 't2', expires_in: 30 }))
  const { clock, last } = await opened(undefined, { app: 'a', token: () => `hub_st_${++asked}`, fetch })
  assert.deepEqual(last().protocols, ['hub.v1', 'hub.ticket.t1'])
  last().end()
  clock.advance(100)
  await settled()
  assert.deepEqual(last().protocols, ['hub.v1', 'hub.ticket.t2'])
  assert.deepEqual(calls.map(({ url, method, headers, body }) => [url, method, headers.authorization, body]), [
    ['http://hub.test/v1/sessions/me/tickets', 'POST', 'Bearer hub_st_1', '{"app":"a"}'],
    ['http://hub.test/v1/sessions/me/tickets', 'POST', 'Bearer hub_st_2', '{"app":"a"}'],
  ])
  assert.ok(!last().url.href.includes('hub_st'))
})

test('a ticket made elsewhere is used as it is', async () => {
  const { last } = await opened(undefined, { ticket: async () => 'mine' })
  assert.deepEqual(last().protocols, ['hub.v1', 'hub.ticket.mine'])
})

test('a credential that cannot be had now is tried again; one that is refused is the end', async () => {
  for (const [given, name, reason] of [
    [new TypeError('fetch failed'), 'waiting', 'fetch failed'],
    [answer(503, { code: 'maintenance', title: 'Later', retryable: true }), 'waiting', 'Later'],
    [answer(502), 'waiting', 'http_error'],
    [answer(401, { code: 'session_ended', reason: 'expired', title: 'Over' }), 'ended', 'expired'],
    [answer(401, { code: 'unauthenticated', title: 'Who?' }), 'ended', 'unauthenticated'],
    [answer(403, { code: 'forbidden', title: 'No' }), 'closed', 'forbidden'],
  ]) {
    const { fetch } = fakeFetch(given)
    const errors = []
    const { session, clock, sockets } = connecting({ token: () => 'hub_st_x', fetch })
    const codes = []
    session.on('ended', ({ code }) => codes.push(code))
    session.on('error', error => errors.push(error))
    await settled()
    assert.deepEqual([session.status.get().name, session.status.get().reason], [name, reason])
    assert.equal(errors.length, name === 'waiting' ? 1 : 0)
    assert.deepEqual(codes, name === 'ended' ? [reason === 'expired' ? 4500 : 4501] : [])
    assert.equal(sockets.length, 0)
    assert.equal(clock.timers.size, name === 'waiting' ? 1 : 0)
    session.close()
  }
})

test('a token() that throws or never answers holds nothing up', async () => {
  let asked = 0
  const { session, clock, sockets, last } = connecting({ ticket: () => {
    asked++
    if (asked === 1) throw new Error('no key')
    return asked === 2 ? new Promise(() => {}) : 'third'
  } })
  await settled()
  assert.equal(session.status.get().reason, 'no key')
  clock.advance(100)
  await settled()
  clock.advance(60_000)
  assert.equal(session.status.get().reason, 'silent')
  clock.advance(200)
  await settled()
  last().say(snapshot(P[1], {}), live(P[1]))
  assert.deepEqual([session.status.get().name, sockets.length], ['live', 1])
})

test('a ticket that comes too late opens nothing', async () => {
  let give
  const { session, sockets } = connecting({ ticket: () => new Promise(resolve => { give = resolve }) })
  await settled()
  session.close()
  give('late')
  await settled()
  assert.equal(sockets.length, 0)
})

test('a ticket that fails too late is not heard', async () => {
  let fail
  const { session, clock } = connecting({ ticket: () => new Promise((resolve, reject) => { fail = reject }) })
  await settled()
  session.close()
  fail(new Error('late'))
  await settled()
  assert.deepEqual([session.status.get().name, clock.timers.size], ['closed', 0])
})

test('log-out by cookie and by token, here and everywhere', async () => {
  for (const [options, everywhere, method, url] of [
    [{}, false, 'POST', 'http://hub.test/auth/logout'], [{}, true, 'POST', 'http://hub.test/auth/logout?everywhere=1'],
    [{ token: () => 'hub_st_x' }, false, 'DELETE', 'http://hub.test/v1/sessions/me'],
    [{ token: () => 'hub_st_x' }, true, 'DELETE', 'http://hub.test/v1/users/me/sessions'],
  ]) {
    const { calls, fetch } = fakeFetch(...(options.token ? [answer(201, { ticket: 't' })] : []), answer(204))
    const { session, last } = await opened(undefined, { ...options, fetch })
    const ends = []
    session.on('ended', fact => ends.push(fact.reason))
    await session.logout({ everywhere })
    const call = calls.at(-1)
    assert.deepEqual([call.method, call.url], [method, url])
    if (options.token) assert.equal(call.headers.authorization, 'Bearer hub_st_x')
    else assert.deepEqual([call.headers['x-hub-csrf'], call.credentials], ['1', 'include'])
    assert.deepEqual([session.status.get().name, session.get(), ends, last().closed], ['ended', undefined, ['logged_out'], true])
  }
})

test('a log-out that fails says so and leaves the session as it is; one that is done already is done', async () => {
  const failing = await opened(undefined, { fetch: fakeFetch(answer(503, { code: 'read_only', title: 'Later', retryable: true })).fetch })
  const { error } = await outcome(failing.session.logout())
  assert.ok(error instanceof HubError)
  assert.deepEqual([error.code, error.status, error.retryable, failing.session.status.get().name], ['read_only', 503, true, 'live'])
  const over = await opened(undefined, { fetch: fakeFetch(answer(401, { code: 'session_ended', title: 'Over' })).fetch })
  const ends = []
  over.session.on('ended', fact => ends.push(fact))
  await over.session.logout()
  await over.session.logout()
  assert.deepEqual([over.session.status.get().name, ends.length], ['ended', 1])
})

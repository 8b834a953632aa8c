/**
 * Clients of a running hub that come back, or do not: `clients.js URL '[TOKEN, …]' TABS` opens so many tabs for each
 * token on real sockets, says `live`, waits until the hub has closed them all, then lets a day pass at once (or the
 * time until the next attempt) and tells as JSON what each tab did.
 */
import { connectSession } from '../../client_js/index.js'
import { FakeClock } from '../client/support/fakes.js'

const [url, tokens, tabs] = process.argv.slice(2)
const DAY_MS = 86_400_000

/** A tab on a clock that stands still, and how often it asked the hub for a ticket or a connection. */
function open(token) {
  const clock = new FakeClock()
  let asked = 0
  class Socket extends WebSocket {
    constructor(...where) {
      asked += 1
      super(...where)
    }
  }
  const count = (...request) => {
    asked += 1
    return fetch(...request)
  }
  const session = connectSession({ url, token: () => token, WebSocket: Socket, fetch: count, clock })
  return { session, clock, asked: () => asked }
}

const all = JSON.parse(tokens).flatMap(token => Array.from({ length: Number(tabs) }, () => open(token)))
await Promise.all(all.map(({ session }) => session.ready()))
console.log('live')

const closed = ({ session }) => new Promise(resolve => {
  session.status.subscribe(({ name }) => ['ended', 'closed', 'waiting'].includes(name) && resolve())
})
await Promise.all(all.map(closed))

const told = all.map(({ session, clock, asked }) => {
  const { name, code, retryAt } = session.status.get()
  const after_ms = retryAt === undefined ? null : retryAt - clock.now()
  clock.advance(after_ms ?? DAY_MS)
  return { name, code, after_ms, timers: clock.timers.size, asked }
})
for (let turn = 0; turn < 20; turn++) await undefined // an attempt asks for its ticket first; no answer can come yet
console.log(JSON.stringify(told.map(({ asked, ...facts }) => ({ ...facts, asked: asked() }))))
process.exit(0)

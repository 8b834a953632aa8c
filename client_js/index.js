/** The live session in a page: `connectSession()`. Everything else in this folder is inside. */
import { attachToPage } from './browser.js'
import { Door } from './door.js'
import { Session } from './session.js'

export { HubError } from './errors.js'

const systemClock = {
  now: () => Date.now(),
  setTimeout: (fn, ms) => globalThis.setTimeout(fn, ms),
  clearTimeout: timer => globalThis.clearTimeout(timer),
}

/** Follows the caller's own session. Options and result: `types.d.ts`. */
export function connectSession(options = {}) {
  const {
    url = globalThis.location?.origin, app, presence, token, ticket, initial, optimistic = true, retry, signal,
    WebSocket: Socket = globalThis.WebSocket, fetch = (...request) => globalThis.fetch(...request),
    clock = systemClock, random = Math.random,
  } = options
  if (!url) throw new TypeError('outside a browser pass { url }')
  if (!Socket) throw new TypeError('no WebSocket here: pass { WebSocket }')
  signal?.throwIfAborted()
  const session = new Session({
    door: new Door({ url, app, presence, token, ticket, fetch }),
    retry: { minMs: 200, maxMs: 20_000, ...retry },
    attach: (opened, live) => globalThis.document && attachToPage(opened, live, clock),
    initial, optimistic, clock, random, Socket,
  })
  signal?.addEventListener('abort', () => session.close(), { once: true })
  return session
}

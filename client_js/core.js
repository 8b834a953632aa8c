/** The live session, wherever JavaScript runs: everything but the life of a page (`page.js`). */
import { door } from './door.js'
import { demand } from './patch.js'
import { openSession } from './session.js'

export { HubError } from './errors.js'

/** Follows the caller's own session; `attach(session, live, clock)` may tie it to what it lives in. */
export function connect(given, attach) {
  const { location, WebSocket, fetch, setTimeout, clearTimeout } = globalThis
  const options = { url: location?.origin, WebSocket, fetch, clock: { now: Date.now, setTimeout, clearTimeout }, ...given }
  const { signal, clock } = options
  demand(options.WebSocket, 'WebSocket')
  const [session, live] = openSession({ ...options, ...clock, ...door(options) })
  attach?.(session, live, clock)
  live.start()
  signal?.addEventListener('abort', session.close)
  if (signal?.aborted) session.close()
  return session
}

/**
 * What happens to a page: it goes into a cache and comes back, sleeps, loses the network, is logged out next door.
 *
 * The document is hidden at `pagehide` already, so that the page which comes back out of the cache was drawn without
 * it. The channel only hastens an end that the hub has declared: a tab that cannot tell whether a message is about
 * its own session asks the hub.
 */

const ACTIVITY_MS = 20_000

/** Ties a session to the page it lives in, until it is over. */
export function attachToPage(session, { state, sleep, wake, send, finish }, { now }) {
  const gone = new AbortController()
  const follow = (target, types, fn) => {
    for (const type of types.split(' ')) target.addEventListener(type, fn, { signal: gone.signal, capture: true })
  }
  let channel
  let active = -Infinity

  const join = () => {
    channel = new BroadcastChannel('single-state-hub')
    channel.onmessage = ({ data }) => {
      if (data.sid === state.sid) finish('ended', data)
      else if (!state.sid) wake()
    }
  }

  follow(globalThis, 'pagehide', ({ persisted }) => {
    channel.close() // an open one keeps the page out of the cache
    sleep(persisted)
  })
  follow(globalThis, 'pageshow', ({ persisted }) => persisted && join())
  follow(globalThis, 'pageshow online', wake)
  follow(document, 'visibilitychange', () => document.hidden || wake())
  follow(globalThis, 'pointerdown keydown', () => {
    if (now() - active >= ACTIVITY_MS && send('{"type":"activity"}')) active = now()
  })
  follow(document, 'hubdebug', ({ detail }) => detail(session, wake))
  session.status.listen(({ name, code, reason }) => {
    if (!/ed$/.test(name)) return // ended, closed
    if (name === 'ended' && code !== 4501 && state.sid) channel.postMessage({ sid: state.sid, reason })
    gone.abort()
    channel.close()
  })
  join()
  if (/[?&]hubDebug\b/.test(location.search)) import('./debug.js').then(({ find }) => find())
}

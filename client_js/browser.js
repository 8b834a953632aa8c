/**
 * What happens to a page: it goes into a cache and comes back, sleeps, loses the network, is logged out next door.
 *
 * The document is hidden at `pagehide` already, so that the page which comes back out of the cache was drawn without
 * it. The channel only hastens an end that the hub has declared: a tab that cannot tell whether a message is about
 * its own session asks the hub.
 */

const ACTIVITY_MS = 20_000

/** Ties a session to the page it lives in, until it is over. */
export function attachToPage(session, live, clock) {
  const gone = new AbortController()
  const { signal } = gone
  const follow = (target, type, fn) => target.addEventListener(type, fn, { signal, passive: true, capture: true })
  let active = -Infinity
  const onInput = () => {
    if (clock.now() - active >= ACTIVITY_MS && live.activity()) active = clock.now()
  }
  const channel = joinTabs(session, live, gone)

  follow(globalThis, 'pagehide', event => {
    channel.leave()
    live.sleep(event.persisted)
  })
  follow(globalThis, 'pageshow', () => {
    channel.join()
    live.wake()
  })
  follow(globalThis, 'online', () => live.wake())
  follow(document, 'visibilitychange', () => document.visibilityState === 'visible' && live.wake())
  follow(globalThis, 'pointerdown', onInput)
  follow(globalThis, 'keydown', onInput)
  session.status.listen(({ name }) => name === 'closed' && gone.abort())
  if (new URLSearchParams(globalThis.location?.search).has('hubDebug')) {
    import('./debug.js').then(({ showOverlay }) => showOverlay(session))
  }
}

/** Tells the other tabs of this origin of an end and hears it from them; `gone` aborts once the session is over here. */
function joinTabs(session, live, gone) {
  let channel
  const leave = () => {
    channel?.close()
    channel = undefined
  }
  const join = () => {
    if (channel || gone.signal.aborted || !globalThis.BroadcastChannel) return
    channel = new BroadcastChannel('single-state-hub')
    channel.onmessage = ({ data }) => {
      if (data.sid === live.sid) live.end(data)
      else if (!live.sid) live.wake()
    }
  }
  session.on('ended', ({ reason, detail, ended_at, code }) => {
    if (live.sid && code !== 4501) channel?.postMessage({ sid: live.sid, reason, detail, ended_at })
    gone.abort()
  })
  gone.signal.addEventListener('abort', leave)
  join()
  return { join, leave }
}

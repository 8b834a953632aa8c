/**
 * Values that can be read, and followed.
 *
 * A readable owns no value: it reads one where it lives, so everything a listener reads belongs to the same moment.
 * Whoever changes state changes all of it first and then calls `flush`; a listener is called with values that are
 * true when it is called, never with one that a listener before it has already outdated. Checks are `async` so that
 * what a listener throws, which is the page's error and not ours, surfaces as an unhandled rejection and stops nobody.
 */

/** The followed readables of one session: how to make one, to add a check of one's own, and to have all looked at. */
export function followed() {
  const checks = new Set()

  const add = check => {
    checks.add(check)
    return () => checks.delete(check)
  }

  /** A readable of `get`, which must return the identical value for as long as nothing has changed. */
  const readable = get => {
    const listen = fn => {
      let told = get()
      return add(async () => {
        const value = get()
        if (value !== told) fn(told = value)
      })
    }
    const subscribe = fn => {
      const stop = listen(fn)
      fn(get())
      return stop
    }
    return { get, listen, subscribe }
  }

  /** A readable of `fn(source())`: run anew only for another source, told only when `equals` says it is another. */
  const derived = (source, fn, equals = Object.is) => {
    let from = checks // no source is this one
    let value
    return readable(() => {
      const next = source()
      if (next !== from) {
        const made = fn(next)
        if (from === checks || !equals(value, made)) value = made
        from = next
      }
      return value
    })
  }

  const flush = () => { for (const check of checks) check() }

  return { add, readable, derived, flush }
}

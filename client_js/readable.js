/**
 * Values that can be read, and followed.
 *
 * A readable owns no value: it reads one where it lives, so everything a listener reads belongs to the same moment.
 * Whoever changes state changes all of it first and then calls `flush`; a listener is called with values that are
 * true when it is called, never with one that a listener before it has already outdated.
 */

/** Calls a listener; what it throws is the page's error, not ours, and surfaces as an uncaught one. */
export function call(fn, ...values) {
  try {
    fn(...values)
  } catch (error) {
    queueMicrotask(() => { throw error })
  }
}

/** The followed readables of one session. */
export class Followed {
  #checks = new Set()

  /** Tells every listener whose value is not the one it was last told. */
  flush() {
    for (const check of [...this.#checks]) if (this.#checks.has(check)) check()
  }

  /** @returns {() => void} stops the following */
  add(check) {
    this.#checks.add(check)
    return () => this.#checks.delete(check)
  }

  /** A readable of `read`, which must return the identical value for as long as nothing has changed. */
  readable(read) {
    const listen = fn => {
      let told = read()
      return this.add(() => call(() => {
        const value = read()
        if (Object.is(value, told)) return
        told = value
        fn(value)
      }))
    }
    const subscribe = fn => {
      const stop = listen(fn)
      call(fn, read())
      return stop
    }
    return { get: read, listen, subscribe }
  }

  /** A readable of `fn(source)`: run anew only for another source, told only when `equals` says it is another value. */
  derived(source, fn, equals = Object.is) {
    let last
    return this.readable(() => {
      const from = source()
      if (!last || last.from !== from) {
        const value = fn(from)
        last = { from, value: last && equals(last.value, value) ? last.value : value }
      }
      return last.value
    })
  }
}

/** Time, sockets and HTTP in the hands of a test. Nothing here waits: a test moves the clock and the wire itself. */

export class FakeClock {
  time = 1_000_000
  timers = new Map()
  #next = 1

  now = () => this.time

  setTimeout = (fn, delay) => {
    const ms = delay >= 2 ** 31 ? 1 : delay // as real timers have it
    this.timers.set(this.#next, { at: this.time + ms, fn })
    return this.#next++
  }

  clearTimeout = id => void this.timers.delete(id)

  /** Runs what is due within `ms`, in order. */
  advance(ms) {
    const end = this.time + ms
    for (;;) {
      const due = [...this.timers].filter(([, { at }]) => at <= end).sort(([a, x], [b, y]) => x.at - y.at || a - b)[0]
      if (!due) break
      this.timers.delete(due[0])
      this.time = due[1].at
      due[1].fn()
    }
    this.time = end
  }
}

/** A WebSocket class whose instances collect in `sockets`. */
export function fakeSockets() {
  const sockets = []
  class FakeSocket {
    sent = []
    closed = false
    onmessage = null
    onclose = null

    constructor(url, protocols) {
      Object.assign(this, { url: new URL(url), protocols })
      sockets.push(this)
    }

    send(text) {
      if (this.closed) throw new Error('sent on a closed socket')
      this.sent.push(JSON.parse(text))
    }

    close() { this.closed = true }

    /** The hub says something. */
    say(...messages) {
      for (const message of messages) this.onmessage({ data: JSON.stringify(message) })
    }

    /** The connection ends on the other side. */
    end(code = 1006, reason = '') {
      this.closed = true
      this.onclose({ code, reason })
    }

    commits() { return this.sent.filter(({ type }) => type === 'commit') }
  }
  return { sockets, FakeSocket }
}

/** Lets everything that needs no time happen. */
export const settled = () => new Promise(resolve => { setImmediate(resolve) })

export const snapshot = (position, document, more = {}) => (
  { type: 'snapshot', position, view: '5be01c77', reason: 'new', session: { sid: 's1', user: 'ada' }, document, ...more })
export const live = position => ({ type: 'live', position, view: '5be01c77' })
export const change = (base, position, ops, more = {}) => ({ type: 'change', base, position, ops, actor: 'app:a', ...more })

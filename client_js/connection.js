/**
 * One live connection, kept up: when to connect, when to give up on a socket, how long to wait.
 *
 * It knows sockets, timers and close codes, and nothing of what is said. 40xx and broken connections come back after
 * a random part of a doubling window (full jitter); 45xx and 1009 do not come back. Every attempt has its own turn
 * number: what an abandoned socket or a late ticket still has to say is not heard.
 */
import { HubError } from './errors.js'

const SILENT_MS = 60_000
const ANSWER_MS = 10_000
const STEADY_MS = 5_000

const isTerminal = code => code === 1009 || (code >= 4500 && code < 4600)

export class Connection {
  #turn = 0
  #failures = 0
  #timer
  #watch
  #socket
  #heardAt
  #liveAt

  status = { name: 'connecting' }

  /**
   * `open()` resolves to `{ url, protocols }`, asked anew for every attempt. `on.status()` follows every move,
   * `on.text(data)` every frame, `on.error(error)` what failed but is tried again, `on.over(code, reason, problem?)`
   * is called once instead of coming back.
   */
  constructor({ open, on, clock, random, retry, Socket }) {
    Object.assign(this, { open, on, clock, random, retry, Socket })
  }

  /** Begins an attempt, whatever there was before. */
  start() {
    const turn = this.#leave()
    this.#hear()
    this.#watchSilence()
    this.#become({ name: 'connecting' })
    this.#attempt(turn).catch(error => {
      if (turn === this.#turn) this.#onRefused(error)
    })
  }

  async #attempt(turn) {
    const { url, protocols } = await this.open()
    if (turn !== this.#turn) return
    const socket = new this.Socket(url, protocols)
    this.#socket = socket
    socket.onmessage = ({ data }) => {
      if (turn !== this.#turn) return
      this.#hear()
      this.on.text(data)
    }
    socket.onclose = ({ code, reason }) => {
      if (turn === this.#turn) this.lose(code, reason)
    }
  }

  /** The hub says that this copy has caught up. */
  caughtUp() {
    this.#liveAt = this.clock.now()
    this.#become({ name: 'live' })
  }

  /** False when there is no live connection to send on. */
  send(text) {
    const live = this.status.name === 'live'
    if (live) this.#socket.send(text)
    return live
  }

  /** The connection is gone or of no use: comes back by itself, unless the close code says not to. */
  lose(code, reason) {
    if (this.#liveAt !== undefined && this.clock.now() - this.#liveAt >= STEADY_MS) this.#failures = 0
    if (isTerminal(code)) {
      this.#leave()
      this.on.over(code, reason)
      return
    }
    const told = code === 4001 && /^\d{1,6}$/.test(reason)
    this.#wait(told ? Number(reason) : this.#window(), { code, reason })
  }

  #onRefused(error) {
    const { status, code, problem } = error instanceof HubError ? error : {}
    if (status === 401 || status === 403) {
      this.#leave()
      this.on.over(status === 403 ? 4503 : code === 'session_ended' ? 4500 : 4501, code, problem)
      return
    }
    this.#wait(this.#window(), { reason: error.message })
    this.on.error(error)
  }

  #window() {
    return Math.min(this.retry.maxMs, this.retry.minMs * 2 ** this.#failures++)
  }

  #wait(windowMs, details) {
    this.#leave()
    const delay = this.random() * windowMs
    this.#timer = this.clock.setTimeout(() => this.start(), delay)
    this.#become({ name: 'waiting', ...details, retryAt: this.clock.now() + delay })
  }

  /** Something says that the network or the page is back: no waiting now, and a live socket must show that it is. */
  wake() {
    const silent = this.#heardAt !== undefined && this.clock.now() - this.#heardAt >= SILENT_MS
    if (this.status.name === 'waiting' || silent) this.start()
    else if (this.send('{"type":"ping"}')) {
      this.#heardAt = this.clock.now() - SILENT_MS + ANSWER_MS // as if it had been silent until little is left
      this.#watchSilence()
    }
  }

  /** Lets the socket go until `wake`. */
  sleep() {
    this.#leave()
    this.#become({ name: 'waiting', reason: 'asleep' })
  }

  /** The end: `status` says which. */
  stop(status) {
    this.#leave()
    this.#become(status)
  }

  #become(status) {
    this.status = Object.freeze(status)
    this.on.status()
  }

  #hear() {
    this.#heardAt = this.clock.now()
  }

  #watchSilence() {
    this.clock.clearTimeout(this.#watch)
    this.#watch = this.clock.setTimeout(() => {
      if (this.clock.now() - this.#heardAt >= SILENT_MS) this.lose(1006, 'silent')
      else this.#watchSilence()
    }, this.#heardAt + SILENT_MS - this.clock.now())
  }

  #leave() {
    this.clock.clearTimeout(this.#timer)
    this.clock.clearTimeout(this.#watch)
    this.#liveAt = undefined
    this.#heardAt = undefined
    const socket = this.#socket
    this.#socket = undefined
    const turn = ++this.#turn
    socket?.close()
    return turn
  }
}

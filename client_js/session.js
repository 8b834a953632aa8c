/** What a page holds in its hands: the document as readables, the ways to change it, the ways to hear of things. */
import { HubError } from './errors.js'
import { escapeKey, isObject, toJson } from './patch.js'
import { call, Followed } from './readable.js'
import { Live } from './live.js'

const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0')).join('')

export class Session {
  #live
  #door
  #clock
  #followed = new Followed()
  #listeners = new Map()
  #sections = new Map()

  constructor(options) {
    this.#door = options.door
    this.#clock = options.clock
    const live = new Live({ ...options, flush: () => this.#followed.flush(), emit: (type, fact) => this.#emit(type, fact) })
    this.#live = live
    Object.assign(this, this.#followed.readable(() => live.shown))
    for (const name of ['status', 'mode', 'position', 'presence']) this[name] = this.#followed.readable(() => live[name])
    this.pending = this.#followed.readable(() => live.pending.length)
    options.attach(this, live)
    live.start()
  }

  section(name) {
    if (!this.#sections.has(name)) {
      const read = () => (this.get() && Object.hasOwn(this.get(), name) ? this.get()[name] : undefined)
      this.#sections.set(name, {
        ...this.#followed.readable(read),
        patch: (merge, options) => this.patch({ [name]: merge }, options),
        replace: (value, options) => this.apply([{ op: 'add', path: `/${escapeKey(name)}`, value }], options),
      })
    }
    return this.#sections.get(name)
  }

  select(fn, equals) { return this.#followed.derived(this.get, fn, equals) }

  async patch(patch, options) {
    if (!isObject(patch)) throw new TypeError('a merge patch is an object of sections')
    return this.#commit({ patch: toJson(patch) }, options)
  }

  async apply(ops, options) {
    if (!Array.isArray(ops)) throw new TypeError('ops are a list')
    return this.#commit({ ops: toJson(ops) }, options)
  }

  async update(recipe, options) {
    if (typeof recipe !== 'function') throw new TypeError('a recipe is a function')
    return this.#commit({ recipe }, options)
  }

  #commit(body, { id = newId(), ifPosition, signal, queueMs = 10_000 } = {}) {
    if (this.#live.over) throw this.#live.over
    signal?.throwIfAborted()
    if (!/^[\w-]{16,64}$/.test(id)) throw new TypeError('an id is 16 to 64 of [A-Za-z0-9_-]')
    const known = this.#live.pending.find(entry => entry.id === id)
    if (known) return known.promise
    const entry = { ...body, id, ifPosition, queueMs }
    entry.promise = new Promise((resolve, reject) => {
      const onAbort = () => this.#live.withdraw(entry, signal.reason) || reject(signal.reason)
      entry.settle = (error, committed) => {
        signal?.removeEventListener('abort', onAbort)
        if (error) reject(error)
        else resolve(committed)
      }
      signal?.addEventListener('abort', onAbort)
    })
    this.#live.commit(entry)
    return entry.promise
  }

  /** The document, as soon as it is certain that it is the current one. */
  ready() { return this.#wait(() => this.#live.status.name === 'live') }

  /** The document, as soon as `predicate` says yes to it. */
  until(predicate, options) { return this.#wait(predicate, options) }

  #wait(predicate, { signal, timeoutMs } = {}) {
    return new Promise((resolve, reject) => {
      const settle = (how, value) => {
        stop()
        this.#clock.clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        how(value)
      }
      const onAbort = () => settle(reject, signal.reason)
      const check = () => {
        try {
          if (this.get() !== undefined && predicate(this.get())) settle(resolve, this.get())
          else if (this.#live.over) settle(reject, this.#live.over)
        } catch (error) {
          settle(reject, error)
        }
      }
      const stop = this.#followed.add(check)
      const late = () => settle(reject, new HubError({ code: 'timeout', title: `Not so within ${timeoutMs} ms`, retryable: true }))
      const timer = timeoutMs === undefined ? undefined : this.#clock.setTimeout(late, timeoutMs)
      signal?.addEventListener('abort', onAbort)
      if (signal?.aborted) onAbort()
      else check()
    })
  }

  /** Ends the session (`everywhere`: every session of the user), for all tabs and apps. */
  async logout({ everywhere = false } = {}) {
    await this.#door.leave(everywhere)
    this.#live.end({ reason: 'logged_out' })
  }

  close() { this.#live.close() }

  on(type, fn, { signal } = {}) {
    const listener = { fn }
    const listeners = this.#listeners.get(type) ?? new Set()
    this.#listeners.set(type, listeners.add(listener))
    const off = () => listeners.delete(listener)
    if (signal?.aborted) off()
    signal?.addEventListener('abort', off, { once: true })
    return off
  }

  #emit(type, fact) {
    for (const { fn } of [...(this.#listeners.get(type) ?? [])]) call(fn, fact)
  }

  /** What is going on in here, for debugging. */
  inspect() {
    const { sid, status, mode, position, view, frames, pending } = this.#live
    const waiting = pending.map(({ id, state, held, at, patch, ops }) => ({ id, state, held, at, patch, ops }))
    return { sid, status, mode, position, view, pending: waiting, frames: [...frames] }
  }
}

/**
 * One session as this page has it: the copy, the commits on top of it, and the connection that keeps both true.
 *
 * The only place where messages meet state. Each fact is taken in whole, then `flush` tells the followers, then the
 * events go out, then what has become ready is sent: a listener never sees half of a fact.
 */
import { Connection } from './connection.js'
import { HubError } from './errors.js'
import { freeze, isObject, share, toJson } from './patch.js'
import { Pending } from './pending.js'
import { Replica } from './replica.js'

const FRAME_BYTES = 65_536 // over it the hub closes with 4502, for good
const FRAMES_KEPT = 200
const NONE = Object.freeze([])

export class Live {
  #replica
  #pending = new Pending()
  #connection
  #hidden = false
  #copy
  #told = false
  #options

  mode = 'live'
  presence = NONE
  frames = []
  sid
  /** Why nothing more will come, once that is so. @type {HubError | undefined} */
  over

  /** `flush()` and `emit(type, fact)` are how others hear of it. */
  constructor({ door, initial, optimistic, clock, random, retry, Socket, flush, emit }) {
    this.#options = { optimistic, clock, flush, emit }
    this.#replica = new Replica(initial && toJson(initial))
    this.#connection = new Connection({
      open: () => door.enter(() => ({ position: this.#replica.position, view: this.#replica.view })),
      on: {
        status: () => this.#onStatus(),
        text: text => this.#onText(text),
        error: error => emit('error', error),
        over: (code, reason, problem) => this.#onOver(code, reason, problem),
      },
      clock, random, retry, Socket,
    })
    this.#refresh()
  }

  get shown() { return this.#hidden ? undefined : this.#copy }
  get status() { return this.#connection.status }
  get position() { return this.#replica.position }
  get view() { return this.#replica.view }
  get pending() { return this.#pending.entries }

  start() { this.#connection.start() }

  wake() { this.#connection.wake() }

  /** The page goes away; `hide` when it may be shown again out of a cache: then nothing is shown until revalidated. */
  sleep(hide) {
    this.#hidden = hide
    this.#connection.sleep()
  }

  /** The user did something. False when there is no live connection to say it on. */
  activity() { return this.#connection.send('{"type":"activity"}') }

  /** Adds `{ id, patch | ops | recipe, ifPosition?, queueMs, settle }`, shows it, and sends it when that is possible. */
  commit(entry) {
    const { settle } = entry
    entry.settle = (error, committed) => {
      this.#options.clock.clearTimeout(entry.timer)
      settle(error, committed)
    }
    this.#pending.add(entry)
    if (this.status.name !== 'live') this.#setDeadline(entry)
    this.#changed()
    return entry
  }

  /** Takes back a commit that was never sent. False when the hub may have it: then its answer has to be awaited. */
  withdraw(entry, error) {
    if (entry.state !== 'queued') return false
    this.#pending.drop(entry, error)
    this.#changed()
    return true
  }

  /** The session is over: nothing of it stays here. */
  end({ reason, detail, ended_at, code }) {
    if (this.over?.code === 'session_ended') return
    this.#replica.receive({ type: 'ended' })
    this.#hidden = false
    this.presence = NONE
    this.frames = []
    this.#stop({ name: 'ended', code, reason }, { code: 'session_ended', status: 401, title: 'The session is over', detail, reason, ended_at })
    this.#options.emit('ended', { reason, detail, ended_at, code })
  }

  /** This connection is over; the session may well go on. */
  close(code, reason) {
    if (this.over) return
    this.#stop({ name: 'closed', code, reason }, { code: 'closed', title: 'The connection is closed' })
  }

  #stop(status, problem) {
    this.over = new HubError(problem)
    for (const entry of [...this.#pending.entries]) this.#pending.drop(entry, this.over)
    this.#refresh()
    this.#connection.stop(status)
  }

  #onOver(code, reason, problem) {
    if (code === 4500) this.end({ ...problem, code })
    else if (code === 4501) this.end({ reason: 'unauthenticated', code })
    else this.close(code, reason)
  }

  #onStatus() {
    if (this.status.name !== 'live') this.#pending.onDisconnect()
    if (this.status.name === 'connecting') this.#told = false
    for (const entry of this.#pending.entries) {
      if (this.status.name !== 'live') this.#setDeadline(entry)
      else this.#clearDeadline(entry)
    }
    this.#options.flush()
  }

  #setDeadline(entry) {
    // A timer beyond 2^31 ms would fire at once: whoever waits that long waits for ever.
    if (entry.timer !== undefined || entry.queueMs >= 2 ** 31) return
    entry.timer = this.#options.clock.setTimeout(() => {
      if (entry.state === 'committed') return
      const [code, title] = entry.state === 'queued' ? ['offline', 'Not sent'] : ['unconfirmed', 'Sent, not answered']
      this.#pending.drop(entry, new HubError({ code, title, retryable: true, id: entry.id }))
      this.#changed()
    }, entry.queueMs)
  }

  #clearDeadline(entry) {
    this.#options.clock.clearTimeout(entry.timer)
    entry.timer = undefined
  }

  #record(direction, message) {
    const frame = { at: this.#options.clock.now(), direction, message }
    this.frames.push(frame)
    if (this.frames.length > FRAMES_KEPT) this.frames.shift()
    this.#options.emit('frame', frame)
  }

  #onText(text) {
    let message
    try {
      message = JSON.parse(text)
      if (!isObject(message)) throw new SyntaxError('not a message')
    } catch (error) {
      this.#connection.lose(1007, 'unreadable')
      this.#options.emit('error', error)
      return
    }
    this.#record('in', message)
    if (!this.over) this.#onMessage(message) // a `frame` listener may have closed the session
  }

  #onMessage(message) {
    const verdict = this.#replica.receive(message)
    if (verdict === 'reload') {
      this.#pending.onReload()
      this.#connection.lose(undefined, 'reload')
      return
    }
    switch (message.type) {
      case 'snapshot': return this.#onSnapshot(message)
      case 'change': return verdict === 'apply' && this.#onChange(message)
      case 'live': return this.#onLive()
      case 'committed': return this.#onCommitted(message)
      case 'rejected': return this.#onRejected(message)
      case 'mode': return this.#onMode(message)
      case 'presence': return this.#onPresence(message)
      case 'ended': return this.end({ ...message, code: 4500 })
    }
  }

  #onSnapshot({ position, reason, session }) {
    const sid = session?.sid
    if (this.sid && sid !== this.sid) {
      // Another log-in in this browser. What was meant for the one session must not be done to the other.
      const error = new HubError({ code: 'session_changed', title: 'Another session now' })
      for (const entry of [...this.#pending.entries]) this.#pending.drop(entry, error)
    }
    this.sid = sid
    this.#pending.onSnapshot(position, reason === 'fork' || reason === 'ahead')
    this.#changed()
  }

  #onChange(message) {
    this.#pending.onChange(message)
    this.#changed(() => this.#options.emit('change', message))
  }

  #onLive() {
    this.#hidden = false
    if (!this.#told) this.mode = 'live'
    this.#connection.caughtUp()
    this.#changed()
  }

  #onCommitted(message) {
    this.#pending.onCommitted(message, this.position)
    this.#changed()
  }

  #onRejected({ id, problem = { code: 'rejected' } }) {
    const error = new HubError(problem)
    const entry = this.#pending.onRejected({ id, problem }, error)
    this.#changed(() => entry && this.#options.emit('conflict', { id, problem, error }))
  }

  #onMode({ mode }) {
    this.#told = true
    this.mode = mode
    this.#options.flush()
  }

  #onPresence({ connections }) {
    this.presence = freeze(connections ?? NONE)
    this.#options.flush()
  }

  #changed(tell) {
    this.#refresh()
    this.#options.flush()
    tell?.()
    this.#send()
  }

  #refresh() {
    const { document } = this.#replica
    const pending = this.#options.optimistic ? this.#pending.show(document) : document
    this.#copy = freeze(share(this.#copy, pending))
    // The same values, so the same objects from now on: comparing them again costs nothing.
    if (pending === document) this.#replica.document = this.#copy
  }

  #send() {
    if (this.status.name !== 'live') return
    const count = this.#pending.entries.length
    for (const entry of this.#pending.takeReady(this.#replica)) {
      const message = { type: 'commit', id: entry.id, ...entry.body }
      const text = JSON.stringify(message)
      if (new TextEncoder().encode(text).length > FRAME_BYTES) {
        const problem = { code: 'too_large', status: 413, title: 'Too large for one frame', limit_bytes: FRAME_BYTES }
        this.#pending.drop(entry, new HubError(problem))
      } else {
        this.#record('out', message)
        this.#connection.send(text)
      }
    }
    if (this.#pending.entries.length < count) this.#changed()
  }
}

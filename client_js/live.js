/**
 * One session as this page has it: the copy, the commits on top of it, and the connection that keeps both true.
 *
 * The only place where messages meet state. A copy applies a change only where it stands exactly at the change's base;
 * where it cannot know what it missed it starts again, without a position until a snapshot replaces it, and the document
 * it last had stays to be shown (`tests/vectors/replica.json` holds it to that, and the hub's own copies).
 *
 * Each fact is taken in whole; then what has become ready is sent, the followers are told by `flush`, and the events go
 * out: a listener never sees half of a fact. After a snapshot, while a commit is in doubt, the user goes on seeing what
 * was `before`, with all that is pending on top: whichever way the doubt ends, nothing goes back and forth.
 */
import { keepConnected } from './connection.js'
import { HubError } from './errors.js'
import { judge } from './judge.js'
import { applyOps, demand, isObject, share, toJson } from './patch.js'
import { answer, drop, dropReached, find, move, nextReady, show } from './pending.js'
import { promised } from './promised.js'

const FRAME_BYTES = 65_536 // over it the hub closes with 4502, for good
const FRAMES_KEPT = 200
const PACE_MS = 100 // a field that is typed in is committed so often at most

/** `flush()` and `emit(type, fact)` are how others hear of it. */
export function liveCopy(options) {
  const { initial, optimistic = true, now, setTimeout, clearTimeout, flush, emit } = options
  const entries = []
  let { document, position, view } = initial ? toJson(initial) : {} // the hub's
  let copy // what the user sees
  let before // what the user saw below the pending commits, until all that are held have been answered
  let hidden
  let told
  let paced // the shape that was sent a moment ago

  /** What others may see. `over`: why nothing more will come, once that is so. */
  const state = { frames: [], mode: 'live', presence: [] }

  const isLive = () => state.status.name === 'live'

  const refresh = () => {
    const base = before ?? document
    const shown = base && optimistic ? show(entries, base) : base
    copy = share(copy, shown)
    // The same values, so the same objects from now on: comparing them again costs nothing.
    if (shown === document) document = copy
    Object.assign(state, { document: hidden ? undefined : copy, position, view })
    flush()
  }

  const record = (direction, message) => {
    const frame = { at: now(), direction, message }
    state.frames = [...state.frames, frame].slice(-FRAMES_KEPT)
    emit('frame', frame)
  }

  /** A patch that goes on where the one before left off, in a field that is typed in, waits for the pace. */
  const holds = ({ shape }) => shape && shape === paced

  /** What has been reached is dropped, what has become ready is sent, what the user should see is shown, and told. */
  const changed = tell => {
    let entry
    if (!entries.some(({ held }) => held)) {
      before = undefined
      dropReached(entries, position)
    }
    while (isLive() && (entry = nextReady(entries, { document, position }, holds))) {
      const message = { type: 'commit', id: entry.id, ...entry.body }
      const text = JSON.stringify(message)
      if (new Blob([text]).size > FRAME_BYTES) drop(entries, entry, new HubError({ code: 'too_large', status: 413 }))
      else {
        entry.state = 'sent'
        paced = entry.shape
        if (paced) setTimeout(keepPace, PACE_MS)
        record('out', message)
        connection.send(text)
      }
    }
    refresh()
    if (tell) tell()
  }

  const keepPace = () => {
    paced = 0
    changed()
  }

  const giveUp = (entry, error) => {
    drop(entries, entry, error)
    changed()
  }

  /** A commit waits for a connection, but not for ever. */
  const setDeadline = entry => {
    if (isLive()) {
      clearTimeout(entry.timer)
      entry.timer = 0
    } else entry.timer ||= setTimeout(() => {
      if (entry.state === 'committed') return
      giveUp(entry, new HubError({ code: entry.state === 'queued' ? 'offline' : 'unconfirmed', retryable: true }))
    }, Math.min(entry.queueMs, 2 ** 31 - 1)) // a timer beyond that would fire at once
  }

  const dropAll = error => {
    for (const entry of [...entries]) drop(entries, entry, error)
  }

  /** Nothing more will come: `ended` for the session, of which nothing stays here, `closed` for this connection. */
  const finish = (name, fact = {}) => {
    const ended = name === 'ended'
    if (['ended', name].includes(state.status.name)) return
    if (ended) {
      document = position = hidden = undefined
      state.frames = state.presence = []
    }
    state.over = new HubError({ ...fact, code: ended ? 'session_ended' : name, status: ended ? 401 : 0 })
    dropAll(state.over)
    connection.rest({ name, code: fact.code, reason: fact.reason })
    if (ended) emit(name, fact)
  }

  const onSnapshot = (message, sid) => {
    // Another log-in in this browser. What was meant for the one session must not be done to the other.
    if (state.sid && state.sid !== sid) dropAll(new HubError({ code: 'session_changed' }))
    state.sid = sid
    if (/fork|ahead/.test(message.reason)) move(entries, 'committed', 'lost') // an earlier answer may not hold any more
    if (message.reason !== 'view') before ??= document
    demand(isObject(message.document) && message.position.at, 'document')
    ;({ document, position, view } = message)
    for (const entry of entries) entry.held = /sent|lost/.test(entry.state)
  }

  const onChange = message => {
    const { base, ops, commit, position: next } = message
    const verdict = position ? judge(position, base, next) : 'stale'
    if (verdict === 'stale') return
    demand(verdict === 'apply' && next.at, verdict)
    document = applyOps(document, ops)
    position = next
    answer(entries, commit, position, true)
    return () => emit('change', message)
  }

  const onRejected = ({ id, problem }) => {
    const entry = find(entries, id)
    const error = new HubError(problem)
    if (!entry) return
    if (entry.recipe && !entry.ifPosition && error.code === 'position_mismatch') {
      Object.assign(entry, { state: 'queued', held: false, tried: entry.body.if_position })
    } else {
      drop(entries, entry, error)
      return () => emit('conflict', { id, problem, error })
    }
  }

  /** Returns what is to be told, when there is something. Throws when this copy has to start again. */
  const onMessage = message => {
    const { type, position: at } = message
    if (type === 'snapshot') onSnapshot(message, message.session?.sid)
    // A hub that does not know where this copy stands (it is about to replace it) names no position in heartbeats.
    if (type === 'live' || (type === 'heartbeat' && position && at)) demand(position && position === at, type)
    if (type === 'live') {
      view = message.view
      hidden = false
      if (!told) state.mode = type
      connection.caughtUp()
    }
    if (type === 'committed') answer(entries, message.id, at, message.changed)
    if (type === 'mode') told = state.mode = message.mode
    if (type === 'presence') state.presence = message.connections
    if (type === 'ended') finish(type, { ...message, code: 4500 })
    if (type === 'rejected') return onRejected(message)
    return type === 'change' && onChange(message)
  }

  const onText = text => {
    let tell
    try {
      const message = share(0, JSON.parse(text))
      record('in', message)
      if (!state.over) tell = onMessage(message) // a `frame` listener may have closed the session
    } catch (error) {
      position = view = undefined
      move(entries, 'committed', 'lost') // whichever history comes next: ask again for every answer
      connection.lose(0, 'reload')
      emit('error', error)
    }
    changed(tell)
  }

  const connection = keepConnected({
    ...options,
    place: () => ({ position, view }),
    onText,
    onStatus: status => {
      state.status = status
      if (!isLive()) move(entries, 'sent', 'lost')
      if (status.name === 'connecting') told = undefined
      entries.forEach(setDeadline)
      refresh()
    },
    onOver: (code, reason, problem) => finish(/450[01]/.test(code) ? 'ended' : 'closed', { reason, ...problem, code }),
  })

  return {
    ...connection, state, entries, isLive, finish,

    /** The page goes away; `hide` when it may be shown again out of a cache: then nothing is shown until revalidated. */
    sleep(hide) {
      hidden = hide
      connection.rest({ name: 'waiting', reason: 'asleep' })
    },

    /** Shows `{ id, body, recipe?, shape?, ifPosition?, queueMs }`, and sends it when that is possible. */
    commit(entry, signal) {
      const { shape, body } = entry
      const last = entries.at(-1)
      if (shape && shape === last?.shape && last.state === 'queued') {
        clearTimeout(last.timer)
        entry = Object.assign(last, { body, seen: undefined, timer: 0 })
      } else {
        entry.state = 'queued'
        entries.push(promised(entry, clearTimeout, signal, () => {
          if (entry.state === 'queued') giveUp(entry) // else the hub may have it: its answer decides what is shown
        }))
      }
      setDeadline(entry)
      changed()
      return entry.promise
    },
  }
}

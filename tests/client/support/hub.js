/**
 * A model of the hub for many fake tabs: one document, one history, commits that count once.
 *
 * Whatever it says and hears lies on a wire (two queues a tab) until the test moves it; a wire that breaks loses what
 * lies on it. The model applies ops by its own plain code, so that a fault of the client's cannot cancel out here.
 */
import { canonical } from './vectors.js'

const clone = value => JSON.parse(JSON.stringify(value))

export class ModelHub {
  history = []
  answers = new Map()
  wires = []
  revision = 1
  branch = 0
  oldest = 1
  document

  constructor(document) {
    this.document = clone(document)
    this.positions = ['1.00000000']
  }

  get position() { return this.positions.at(-1) }

  /** A socket class for connectSession. `onclose` of the tab is called only by `break`. */
  socketClass() {
    const hub = this
    return class Wire {
      toTab = []
      toHub = []
      open = true
      synced = false

      constructor(url) {
        const query = new URL(url).searchParams
        hub.wires.push(this)
        this.toHub.push({ type: 'open', position: query.get('position') })
      }

      send(text) { this.toHub.push(JSON.parse(text)) }

      close() { this.open = false }

      break() {
        this.open = false
        this.onclose({ code: 1006, reason: '' })
      }
    }
  }

  /** The hub hears the next message of this tab. */
  hear(wire, { force } = {}) {
    const message = wire.toHub.shift()
    if (message.type === 'open') this.#onOpen(wire, message, force)
    if (message.type === 'commit') wire.toTab.push(this.#onCommit(message))
  }

  #onOpen(wire, { position }, force) {
    const from = this.history.findIndex(({ base }) => base === position)
    if (position === this.position) wire.toTab.push(this.#live())
    else if (!force && from >= 0 && from >= this.oldest - 1) wire.toTab.push(...this.history.slice(from), this.#live())
    else {
      const reason = !position ? 'new' : this.positions.includes(position) ? 'compacted' : 'fork'
      wire.toTab.push(this.snapshot(reason), this.#live())
    }
    wire.synced = true
  }

  snapshot(reason) {
    return { type: 'snapshot', reason, position: this.position, view: '00000000', session: { sid: 's1' }, document: clone(this.document) }
  }

  #live() { return { type: 'live', position: this.position, view: '00000000' } }

  #onCommit({ id, patch, ops, if_position }) {
    const body = canonical({ patch, ops })
    const known = this.answers.get(id)
    if (known && known.body !== body) throw new Error(`${id} was sent with another body`)
    if (known) return known.answer
    const refuse = (code, status) => ({ type: 'rejected', id, problem: { code, status, retryable: true, current: this.position } })
    if (if_position && if_position !== this.position) return refuse('position_mismatch', 412)
    if (patch?.refused) return refuse('schema_violation', 422)
    const next = clone(this.document)
    for (const op of ops ?? mergeOps(this.document, patch)) if (!plainApply(next, op)) return refuse('patch_conflict', 409)
    const changed = canonical(next) !== canonical(this.document)
    if (changed) this.commit(ops ?? mergeOps(this.document, patch), id)
    const answer = { type: 'committed', id, position: this.position, changed }
    this.answers.set(id, { body, answer })
    return answer
  }

  /** A commit of anybody: stored, and pushed to every tab that has caught up. */
  commit(ops, id) {
    for (const op of ops) plainApply(this.document, op)
    const base = this.position
    const tag = (this.branch * 0x1000 + this.history.length + 1).toString(16).padStart(8, '0')
    this.positions.push(`${++this.revision}.${tag}`)
    const change = { type: 'change', base, position: this.position, ops: clone(ops), actor: 'x', commit: id }
    this.history.push(change)
    for (const wire of this.wires) if (wire.open && wire.synced) wire.toTab.push(change)
  }

  /** The store fails over and has lost its last commits, answers included. Every tab starts again. */
  fork(lost, documentBefore) {
    const gone = this.history.splice(-lost, lost)
    for (const { commit } of gone) this.answers.delete(commit)
    this.positions.splice(-lost, lost)
    this.revision -= lost
    this.document = clone(documentBefore)
    this.branch++
    for (const wire of this.wires) if (wire.open && wire.synced) wire.toTab.push(this.snapshot('fork'), this.#live())
  }

  /** An outbox overflows: its changes are dropped and a snapshot stands for them. */
  collapse(wire) {
    wire.toTab = wire.toTab.filter(({ type }) => type !== 'change')
    wire.toTab.push(this.snapshot('reload'), this.#live())
  }
}

function mergeOps(document, patch) {
  return Object.entries(patch).flatMap(([section, fields]) => Object.entries(fields).flatMap(([key, value]) => {
    if (value !== null) return [{ op: 'add', path: `/${section}/${key}`, value }]
    return key in document[section] ? [{ op: 'remove', path: `/${section}/${key}` }] : []
  }))
}

/** One op on a two-level document whose sections are objects or lists. */
function plainApply(document, { op, path, value }) {
  const [, section, key] = path.split('/')
  const node = document[section]
  if (Array.isArray(node)) {
    const at = key === '-' ? node.length : Number(key)
    if (op === 'add' ? at > node.length : at >= node.length) return false
    node.splice(at, op === 'add' ? 0 : 1, ...(op === 'remove' ? [] : [value]))
    return true
  }
  if (op !== 'add' && !(key in node)) return false
  if (op === 'remove') delete node[key]
  else node[key] = value
  return true
}

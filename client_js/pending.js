/**
 * The commits of this copy that the hub's document does not contain yet, oldest first.
 *
 * Pure: time and sockets are elsewhere. Each entry is in one of four states:
 *
 *     queued     certainly not at the hub: never sent, or sent and refused in a way that lets it be tried again
 *     sent       sent over the connection there is now, no answer yet
 *     lost       sent over a connection that broke: the hub may have it; to be sent again, byte for byte
 *     committed  answered: part of the hub's document from position `at` on, which this copy has not reached
 *
 * What a reader would get wrong: neither the answer nor the change may come first by rule, and an entry leaves the
 * list only when the copy's *document* contains it. Dropping it at the answer would show the old value again until
 * the change arrives. After a snapshot a `sent` or `lost` entry is `held`: the snapshot may contain it, so it is not
 * shown a second time on top, until its answer tells. Entries go out in order; an `update` goes out only from the
 * head of the list, because its ops are the difference to the hub's document and must name that position.
 */
import { applyOps, diff, merge, toJson } from './patch.js'
import { revisionOf } from './replica.js'

const reaches = (position, at) => revisionOf(position) >= revisionOf(at)

/** What an entry makes of a document. Throws what a recipe throws, or a PatchError. */
function effect({ patch, ops, recipe }, document) {
  if (patch) return merge(document, patch)
  if (ops) return applyOps(document, ops)
  const draft = toJson(document)
  if (recipe(draft)?.then) throw new TypeError('a recipe cannot wait: what it edits later is lost')
  return toJson(draft)
}

/** Leaves in `made` what an entry makes of this document, or in `fault` why it does not fit. Not run twice on one. */
function tryOn(entry, document) {
  if (entry.seen === document) return
  entry.seen = document
  entry.fault = undefined
  try {
    entry.made = effect(entry, document)
  } catch (error) {
    entry.fault = error // shown as if absent; the hub decides about ops, the sending about a recipe
  }
}

export class Pending {
  /** @type {Array<{ id, patch?, ops?, recipe?, ifPosition?, settle, state, held, at?, changed?, body?, tried? }>} */
  entries = []

  /** Adds a commit. `settle(error)` or `settle(undefined, committed)` is called once, when it leaves the list. */
  add(entry) {
    this.entries.push(Object.assign(entry, { state: 'queued', held: false }))
  }

  find(id) {
    return this.entries.find(entry => entry.id === id)
  }

  /** Takes an entry out of the list and settles it. */
  drop(entry, error) {
    this.entries = this.entries.filter(other => other !== entry)
    const { id, at: position, changed } = entry
    if (error) entry.settle(error)
    else entry.settle(undefined, { id, position, changed })
  }

  /** The document as the user should see it: the hub's, with every commit that it is sure not to contain. */
  show(document) {
    if (document === undefined) return document
    return this.entries.filter(entry => !entry.held).reduce((shown, entry) => {
      tryOn(entry, shown)
      return entry.fault ? shown : entry.made
    }, document)
  }

  /** The entries whose `body` should go out now, given the hub's document. They count as sent from here on. */
  takeReady({ document, position }) {
    const ready = []
    for (const entry of [...this.entries]) {
      if (entry.recipe && entry !== this.entries[0]) break
      if (entry.recipe && entry.state === 'queued') {
        if (entry.tried === position) break
        if (!this.#prepare(entry, document, position)) continue
      }
      if (entry.state === 'queued' || entry.state === 'lost') {
        entry.state = 'sent'
        entry.body ??= { patch: entry.patch, ops: entry.ops, if_position: entry.ifPosition }
        ready.push(entry)
      }
      if (entry.recipe) break
    }
    return ready
  }

  /** Makes an update's ops for this document. False when that settled it: nothing to change, or the recipe threw. */
  #prepare(entry, document, position) {
    tryOn(entry, document)
    const ops = entry.fault ? [] : diff(document, entry.made)
    entry.body = { ops, if_position: entry.ifPosition ?? position }
    if (!ops.length) this.drop(Object.assign(entry, { at: position, changed: false }), entry.fault)
    return ops.length > 0
  }

  /** The copy applied a change: it contains the commit the change names, and all committed up to its position. */
  onChange({ commit, position }) {
    const own = this.find(commit)
    if (own) this.drop(Object.assign(own, { at: position, changed: true }))
    this.#reached(position)
  }

  onCommitted({ id, position, changed }, copyPosition) {
    const entry = this.find(id)
    if (!entry) return
    Object.assign(entry, { state: 'committed', held: false, at: position, changed })
    if (copyPosition) this.#reached(copyPosition)
  }

  /** The entry that is over now; undefined when there is none, or when it will be tried on a newer document. */
  onRejected({ id, problem }, error) {
    const entry = this.find(id)
    if (entry?.recipe && !entry.ifPosition && problem.code === 'position_mismatch') {
      Object.assign(entry, { state: 'queued', held: false, tried: entry.body.if_position })
      return undefined
    }
    if (entry) this.drop(entry, error)
    return entry
  }

  /** A snapshot replaced the copy. `forked`: the hub lost commits, so that an earlier answer may not hold any more. */
  onSnapshot(position, forked) {
    if (forked) this.onReload()
    this.#reached(position)
    for (const entry of this.entries) entry.held = entry.state === 'sent' || entry.state === 'lost'
  }

  /** The copy is about to start again from a snapshot of a history it may not know: ask again for every answer. */
  onReload() {
    for (const entry of this.entries) if (entry.state === 'committed') entry.state = 'lost'
  }

  onDisconnect() {
    for (const entry of this.entries) if (entry.state === 'sent') entry.state = 'lost'
  }

  #reached(position) {
    for (const entry of [...this.entries]) {
      if (entry.state === 'committed' && reaches(position, entry.at)) this.drop(entry)
    }
  }
}

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
 * the change arrives. After a snapshot an entry in doubt (`sent`, `lost`) is `held`: the snapshot may contain it
 * already. Entries go out in order; an `update` goes out only from the head of the list, because its ops are the
 * difference to the hub's document and must name that position.
 *
 * @typedef {{ id, body: { patch?, ops?, if_position? }, recipe?, shape?, ifPosition?, settle, state, held?, at?, changed?, tried? }} Entry
 */
import { applyOps, demand, diff, isObject, merge, share, toJson } from './patch.js'
import { revisionOf } from './judge.js'

/** Two patches of one shape set the same members, so the later one does by itself what both would do. */
export const shapeOf = patch => JSON.stringify(patch, (key, value) => (isObject(value) ? value : 0))

/** What an entry makes of a document. Throws what a recipe throws, or a TypeError. */
function effect({ body: { patch, ops }, recipe }, document) {
  if (!recipe) return patch ? merge(document, patch) : applyOps(document, ops)
  const draft = toJson(document)
  demand(!recipe(draft)?.then, 'recipe') // one that waits: what it edits later would be lost
  return share(document, toJson(draft))
}

/** Leaves in `made` what an entry makes of this document, or in `fault` why it does not fit. Not run twice on one. */
function tryOn(entry, document) {
  if (entry.seen === document) return
  entry.seen = entry.made = document // shown as if absent, if that is all that can be made of it
  entry.fault = undefined
  try {
    entry.made = effect(entry, document)
  } catch (error) {
    entry.fault = error // the hub decides about ops, the sending about a recipe
  }
}

export const find = (entries, id) => entries.find(entry => entry.id === id)

/** Every entry in the one state is in the other now. */
export function move(entries, from, to) {
  for (const entry of entries) if (entry.state === from) entry.state = to
}

/** Takes an entry out of the list and settles it: with an error, or as committed. */
export function drop(entries, entry, error) {
  const { id, at: position, changed } = entry
  entries.splice(entries.indexOf(entry), 1)
  entry.settle(error, !error && { id, position, changed })
}

/** The document as the user should see it: with every commit on top. */
export const show = (entries, document) => entries.reduce((shown, entry) => {
  tryOn(entry, shown)
  return entry.made
}, document)

/** The commit `id`, if it is one of these, is part of the hub's document from position `at` on. */
export function answer(entries, id, at, changed) {
  Object.assign(find(entries, id) ?? {}, { state: 'committed', held: false, at, changed })
}

/** Drops what a copy at `position` contains. */
export function dropReached(entries, position) {
  for (const entry of [...entries]) {
    if (entry.state === 'committed' && revisionOf(position) >= revisionOf(entry.at)) drop(entries, entry)
  }
}

/** Makes an update's ops for this document. Nothing where that settled it: nothing to change, or the recipe threw. */
function prepare(entries, entry, { document, position }) {
  tryOn(entry, document)
  const ops = diff(document, entry.made)
  entry.body = { ops, if_position: entry.ifPosition ?? position }
  if (ops.length) return true
  answer(entries, entry.id, position, false)
  drop(entries, entry, entry.fault)
}

/** The next entry whose `body` should go out, given the hub's copy. `holds(entry)` keeps one back, and all behind it. */
export function nextReady(entries, copy, holds) {
  for (const entry of [...entries]) {
    const { state, recipe } = entry
    if (recipe && (entry !== entries[0] || /sent|committed/.test(state))) return
    if (state === 'lost') return entry
    if (state === 'queued') {
      if (recipe ? entry.tried === copy.position : holds(entry)) return
      if (!recipe || prepare(entries, entry, copy)) return entry
    }
  }
}

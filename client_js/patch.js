/**
 * JSON documents as immutable values: JSON Patch (RFC 6902), JSON Merge Patch (RFC 7396), difference, sharing.
 *
 * Pure. Nothing here changes an argument; what an edit does not touch keeps its identity. Keys are data: only own
 * properties are looked at, and copies are made by spreading or from entries, which *define* a key named `__proto__`
 * where an assignment would run a setter. `tests/vectors/{apply,merge}.json` hold both languages to the same answers.
 */

export const isList = Array.isArray
const hasParts = value => typeof value === 'object' && !!value

export const isObject = value => hasParts(value) && !isList(value)

/** The member `key` of a value, undefined where it has none of its own: no JSON value is undefined. */
export const own = (value, key) => (hasParts(value) && Object.hasOwn(value, key) ? value[key] : undefined)

/** A TypeError unless `holds`. */
export function demand(holds, what) {
  if (!holds) throw new TypeError(`not a valid ${what}`)
}

/**
 * A private copy of a JSON value. A TypeError for what the hub would not take for JSON (RFC 7493), so that it is
 * refused where it comes from: such a frame would cost the connection. A NaN would be written as null, and null
 * *removes* in a merge patch; integers beyond 2^53 are another number elsewhere; a lone surrogate is no text.
 */
export function toJson(value) {
  const text = JSON.stringify(value, (key, inner) => {
    demand(typeof inner !== 'number' || Number.isSafeInteger(inner) || /[.e]/.test(inner), 'JSON')
    return inner
  })
  demand(!/(?<!\\)(\\\\)*\\ud/.test(text), 'JSON')
  return JSON.parse(text)
}

/**
 * `next`, frozen, and made of parts of `old` wherever the two are equal as JSON; `old` itself when they are equal
 * throughout. `old` must be a result of this function.
 */
export function share(old, next) {
  if (old === next || !hasParts(next)) return next
  const keys = Object.keys(next)
  const parts = keys.map(key => share(own(old, key), next[key]))
  const alike = hasParts(old) && isList(old) === isList(next) && Object.keys(old).length === keys.length
  if (alike && keys.every((key, i) => own(old, key) === parts[i])) return old
  return Object.freeze(isList(next) ? parts : Object.fromEntries(keys.map((key, i) => [key, parts[i]])))
}

/** JSON Merge Patch, RFC 7396 section 2. */
export function merge(target, patch) {
  if (!isObject(patch)) return patch
  const parts = new Map(isObject(target) ? Object.entries(target) : [])
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) parts.delete(key)
    else parts.set(key, merge(parts.get(key), value))
  }
  return Object.fromEntries(parts)
}

/** `node` with `value` at the end of the keys; undefined removes. */
function edit(node, [key, ...rest], adds, value) {
  const list = isList(node)
  const more = adds && !rest.length
  if (list && more && key === '-') key = node.length
  demand(list ? /^(0|[1-9]\d*)$/.test(key) && key < node.length + more : more ? isObject(node) : own(node, key) !== undefined, 'path')
  if (rest.length) value = edit(node[key], rest, adds, value)
  const removes = value === undefined
  if (list) return node.toSpliced(key, more ? 0 : 1, ...(removes ? [] : [value]))
  const { [key]: removed, ...others } = node
  return removes ? others : { ...node, [key]: value }
}

/**
 * The document after all ops, in order; a TypeError for ops that do not fit, and for any but `add`, `replace` and
 * `remove`: the wire brings no others, and what a page sends shows when its change comes.
 */
export const applyOps = (document, ops) => ops.reduce((before, { op, path, value }) => {
  const removes = op === 'remove'
  demand(/^(\/([^~]|~[01])*)?$/.test(path) && (removes || (/^(add|replace)$/.test(op) && value !== undefined)), 'op')
  const keys = path.split('/').map(key => key.replaceAll('~1', '/').replaceAll('~0', '~')) // from a root named ''
  const after = edit({ '': before }, keys, op === 'add', removes ? undefined : value)['']
  demand(isObject(after), 'document')
  return after
}, document)

export const pathTo = (path, key) => `${path}/${`${key}`.replaceAll('~', '~0').replaceAll('/', '~1')}`

/**
 * Ops that lead from one document to the other, which is the result of `share`. A part that would need more than 64 of
 * them is replaced whole.
 */
export function diff(old, next, path = '') {
  if (old === next) return []
  const whole = [{ op: 'replace', path, value: next }]
  if (!hasParts(old) || !hasParts(next) || isList(old) !== isList(next)) return whole
  const ops = Object.keys({ ...old, ...next }).flatMap(key => {
    const was = own(old, key)
    const value = own(next, key)
    const at = pathTo(path, key)
    if (value === undefined) return { op: 'remove', path: isList(next) ? pathTo(path, next.length) : at }
    return was === undefined ? { op: 'add', path: at, value } : diff(was, value, at)
  })
  return path && ops.length > 64 ? whole : ops
}

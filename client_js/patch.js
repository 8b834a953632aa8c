/**
 * JSON documents as immutable values: JSON Patch (RFC 6902), JSON Merge Patch (RFC 7396), difference, sharing.
 *
 * Pure. Nothing here changes an argument (but `freeze`); what an edit does not touch keeps its identity. Keys are
 * data: only own properties are looked at, and copies are made by spreading or from entries, which *define* a key
 * named `__proto__` where an assignment would run a setter. `tests/vectors/{apply,merge}.json` hold both languages
 * to the same answers.
 */

/** The document does not have what an op or a pointer asks of it. */
export class PatchError extends Error {}

export const isObject = value => typeof value === 'object' && value !== null && !Array.isArray(value)

/** A JSON value as the wire would carry it: a private copy; numbers JSON cannot write are a TypeError. */
export const toJson = value => JSON.parse(JSON.stringify(value, (key, inner) => {
  // JSON.stringify writes NaN and Infinity as null, and null *removes* in a merge patch.
  if (typeof inner === 'number' && !Number.isFinite(inner)) throw new TypeError(`${key}: ${inner} is not JSON`)
  return inner
}))

/** `next`, made of parts of `old` wherever the two are equal as JSON; `old` itself when they are equal throughout. */
export function share(old, next) {
  if (old === next) return old
  if (Array.isArray(old) && Array.isArray(next)) {
    const parts = next.map((value, i) => share(old[i], value))
    return parts.length === old.length && parts.every((part, i) => part === old[i]) ? old : parts
  }
  if (!isObject(old) || !isObject(next)) return next
  const parts = Object.entries(next).map(([key, value]) => [key, Object.hasOwn(old, key) ? share(old[key], value) : value])
  const same = parts.length === Object.keys(old).length && parts.every(([key, part]) => Object.hasOwn(old, key) && part === old[key])
  return same ? old : Object.fromEntries(parts)
}

/** JSON equality: 1 equals 1.0, 1 is not true, the order of keys does not count. */
export const equal = (a, b) => share(a, b) === a

/** Freezes a JSON value to its leaves. What is frozen already is taken to be so throughout. */
export function freeze(value) {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    Object.values(value).forEach(freeze)
  }
  return value
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

export const escapeKey = key => key.replaceAll('~', '~0').replaceAll('/', '~1')

function parse(pointer) {
  if (typeof pointer !== 'string' || (pointer && pointer[0] !== '/') || /~(?![01])/.test(pointer)) {
    throw new PatchError(`not a JSON Pointer: ${pointer}`)
  }
  return pointer.split('/').slice(1).map(key => key.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function indexOf(key, end) {
  if (!/^(0|[1-9]\d*)$/.test(key) || Number(key) >= end) throw new PatchError(`no such element: ${key}`)
  return Number(key)
}

function readAt(document, pointer) {
  return parse(pointer).reduce((node, key) => {
    if (Array.isArray(node)) return node[indexOf(key, node.length)]
    if (!isObject(node) || !Object.hasOwn(node, key)) throw new PatchError(`nothing at ${pointer}`)
    return node[key]
  }, document)
}

function edit(node, [key, ...rest], op, value) {
  const adds = op === 'add' && !rest.length
  if (Array.isArray(node)) {
    const at = adds && key === '-' ? node.length : indexOf(key, node.length + Number(adds))
    if (rest.length) return node.with(at, edit(node[at], rest, op, value))
    return op === 'replace' ? node.with(at, value) : node.toSpliced(at, ...(adds ? [0, value] : [1]))
  }
  if (!isObject(node) || !(adds || Object.hasOwn(node, key))) throw new PatchError(`nothing at ${key}`)
  if (rest.length) return { ...node, [key]: edit(node[key], rest, op, value) }
  if (op !== 'remove') return { ...node, [key]: value }
  const { [key]: removed, ...others } = node
  return others
}

function applyOp(document, step) {
  let { op, path, value, from } = step ?? {}
  if (op === 'test') {
    if (!equal(readAt(document, path), value)) throw new PatchError(`another value at ${path}`)
    return document
  }
  if (op === 'move' || op === 'copy') {
    value = readAt(document, from)
    if (op === 'move') document = edit(document, parse(from), 'remove')
    op = 'add'
  }
  const keys = parse(path)
  if (!['add', 'replace', 'remove'].includes(op) || (op === 'remove' ? !keys.length : value === undefined)) {
    throw new PatchError(`not an op: ${JSON.stringify(step)}`)
  }
  return keys.length ? edit(document, keys, op, value) : value
}

/** The document after all ops, in order. One that does not fit is a PatchError, and nothing has happened. */
export function applyOps(document, ops) {
  if (!Array.isArray(ops)) throw new PatchError('ops are a list')
  return ops.reduce(applyOp, document)
}

function diffList(old, next, path) {
  if (old.length === next.length) return next.flatMap((value, i) => diff(old[i], value, `${path}/${i}`))
  let start = 0
  let end = 0
  const shorter = Math.min(old.length, next.length)
  while (start < shorter && equal(old[start], next[start])) start++
  while (end < shorter - start && equal(old.at(-1 - end), next.at(-1 - end))) end++
  const removed = old.slice(start, old.length - end).map(() => ({ op: 'remove', path: `${path}/${start}` }))
  const added = next.slice(start, next.length - end).map((value, i) => ({ op: 'add', path: `${path}/${start + i}`, value }))
  return [...removed, ...added]
}

function diffObject(old, next, path) {
  const removed = Object.keys(old).filter(key => !Object.hasOwn(next, key))
  return [
    ...removed.map(key => ({ op: 'remove', path: `${path}/${escapeKey(key)}` })),
    ...Object.entries(next).flatMap(([key, value]) => {
      const at = `${path}/${escapeKey(key)}`
      return Object.hasOwn(old, key) ? diff(old[key], value, at) : [{ op: 'add', path: at, value }]
    }),
  ]
}

/** Ops that lead from one document to the other. A part that would need more than 64 of them is replaced whole. */
export function diff(old, next, path = '') {
  if (equal(old, next)) return []
  const whole = [{ op: 'replace', path, value: next }]
  const lists = Array.isArray(old) && Array.isArray(next)
  if (!lists && !(isObject(old) && isObject(next))) return whole
  const ops = lists ? diffList(old, next, path) : diffObject(old, next, path)
  return path && ops.length > 64 ? whole : ops
}

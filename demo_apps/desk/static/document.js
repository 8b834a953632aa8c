/** The document as JSON text, one row a line. Rows whose value is new are tinted until they have faded. */
import { make } from '../shared/page.js'

const FADE_MS = 3000

/** Draw the session's document into `place`, now and at every change. */
export function followDocument(session, place) {
  const freshSince = new Map()
  let before
  session.subscribe(doc => {
    const now = performance.now()
    if (before !== undefined && doc !== undefined) markChanges(before, doc, '', pointer => freshSince.set(pointer, now))
    for (const [pointer, since] of freshSince) if (now - since > FADE_MS) freshSince.delete(pointer)
    before = doc
    place.replaceChildren(...(doc === undefined ? [] : rows(doc, freshSince, now)))
    reveal(place)
  })
}

/** Scroll the pane, and nothing around it, until the newest rows are seen; the first of them wins. */
function reveal(place) {
  const newest = [...place.querySelectorAll('.newest')]
  if (newest.length === 0) return
  const margin = newest[0].offsetHeight
  const top = newest[0].offsetTop - place.offsetTop - margin
  const bottom = newest.at(-1).offsetTop - place.offsetTop + 2 * margin
  if (bottom > place.scrollTop + place.clientHeight) place.scrollTop = bottom - place.clientHeight
  if (top < place.scrollTop) place.scrollTop = top
}

const isContainer = value => typeof value === 'object' && value !== null
const childrenOf = value => (Array.isArray(value) ? [...value.keys()].map(index => [index, value[index]]) : Object.entries(value))
const child = (pointer, key) => `${pointer}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`
const sameKind = (a, b) => isContainer(a) && isContainer(b) && Array.isArray(a) === Array.isArray(b)

/** Tell `mark` the pointer of every value that is new, and of every container that lost one. */
function markChanges(before, after, pointer, mark) {
  if (before === after) return // the client shares what did not change
  if (!sameKind(before, after)) {
    if (isContainer(after) || isContainer(before) || before !== after) markAll(after, pointer, mark)
    return
  }
  for (const [key, value] of childrenOf(after)) {
    if (Object.hasOwn(before, key)) markChanges(before[key], value, child(pointer, key), mark)
    else markAll(value, child(pointer, key), mark)
  }
  if (Object.keys(before).some(key => !Object.hasOwn(after, key))) mark(pointer)
}

function markAll(value, pointer, mark) {
  mark(pointer)
  if (isContainer(value)) for (const [key, inner] of childrenOf(value)) markAll(inner, child(pointer, key), mark)
}

function rows(doc, freshSince, now) {
  const made = []
  const add = (depth, pointer, ...parts) => {
    const row = make('div', 'row', ...parts)
    row.style.setProperty('--depth', depth)
    const since = freshSince.get(pointer)
    if (since !== undefined) {
      row.classList.add('fresh')
      row.classList.toggle('newest', since === now)
      row.style.animationDelay = `${since - now}ms` // drawn again in the middle of fading: go on from there
    }
    made.push(row)
  }
  walk(doc, '', 0, [], '', add)
  return made
}

function walk(value, pointer, depth, label, comma, add) {
  const mark = text => make('span', 'mark-of', text)
  if (!isContainer(value)) return add(depth, pointer, ...label, scalar(value), mark(comma))
  const [open, close] = Array.isArray(value) ? '[]' : '{}'
  const inner = childrenOf(value)
  if (inner.length === 0) return add(depth, pointer, ...label, mark(open + close + comma))
  add(depth, pointer, ...label, mark(open))
  inner.forEach(([key, item], index) => {
    const name = Array.isArray(value) ? [] : [make('span', 'key', JSON.stringify(key)), mark(': ')]
    walk(item, child(pointer, key), depth + 1, name, index < inner.length - 1 ? ',' : '', add)
  })
  add(depth, undefined, mark(close + comma))
}

function scalar(value) {
  const kind = typeof value === 'string' ? 'string' : typeof value === 'number' ? 'number' : 'word'
  return make('span', kind, JSON.stringify(value))
}

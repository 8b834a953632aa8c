/** The list of changes this page has heard, newest first: who, what, when, and the position it led to. */
import { make } from '../shared/page.js'

const KEPT = 60
const OPS_SHOWN = 3
const NAMES = { 'app:a': 'Account (server)', 'app:b': 'Shop (server)', 'service:billing': 'Billing service' }
const SIGNS = { add: '+', replace: '→', remove: '−' }

/** Add an entry to `list` for every change, and for every time the copy was replaced by a snapshot. */
export function followChanges(session, list, counter) {
  let heard = 0
  const add = entry => {
    list.prepend(entry)
    while (list.children.length > KEPT) list.lastElementChild.remove()
  }
  session.on('change', change => {
    heard += 1
    counter.textContent = `${heard} heard`
    add(entryOf(change))
  })
  session.on('frame', ({ direction, message }) => {
    if (direction === 'in' && message.type === 'snapshot' && message.reason !== 'new') add(reloadOf(message))
  })
}

function entryOf({ actor, at, ops, position }) {
  const shown = ops.slice(0, OPS_SHOWN).map(opOf)
  if (ops.length === 0) shown.push(plain('outside of what this page may see'))
  if (ops.length > OPS_SHOWN) shown.push(plain(`and ${ops.length - OPS_SHOWN} more`))
  return make('li', 'change', headOf(actor, at, position), ...shown)
}

function reloadOf({ position, reason }) {
  const text = plain(`reloaded from a snapshot (${reason})`)
  return make('li', 'change', headOf('hub', new Date().toISOString(), position), text)
}

function headOf(actor, at, position) {
  const kind = actor?.split(':')[0] ?? 'hub'
  const name = NAMES[actor] ?? (kind === 'user' ? 'You, in a page' : kind === 'hub' ? 'Hub' : actor)
  const time = make('time', '', at ? clockOf(at) : '')
  if (at) time.dateTime = at
  return make('div', 'change-head', make('span', `actor actor-${kind}`, name), make('code', 'position', position), time)
}

function clockOf(at) {
  const time = new Date(at)
  return `${time.toLocaleTimeString('en-GB')}.${String(time.getMilliseconds()).padStart(3, '0')}`
}

function opOf({ op, path, value }) {
  const steps = path.split('/').slice(1).map(step => step.replaceAll('~1', '/').replaceAll('~0', '~'))
  const text = op === 'remove' ? '' : JSON.stringify(value)
  const shown = make('span', 'op-value', text)
  shown.title = text
  return make('div', 'op', make('span', 'op-sign', SIGNS[op] ?? op), make('span', 'op-path', steps.join('.')), shown)
}

function plain(text) {
  return make('div', 'op', make('span', 'op-value', text))
}

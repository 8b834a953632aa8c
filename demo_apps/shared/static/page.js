/**
 * What every page of the demo does with its session: shows the connection, follows the person's looks, and leaves
 * when the session is over. The document is never kept here; the client's copy is the only one.
 */
import { connectSession } from '/client/index.js'

const root = document.documentElement
const WORDS = {
  connecting: 'Connecting…',
  live: 'Live',
  waiting: 'Reconnecting…',
  ended: 'Session over',
  closed: 'Disconnected',
  read_only: 'Read-only for now',
  maintenance: 'Back in a moment',
}

/** Open this page's copy of the session and bind what all pages share. */
export function openSession(options) {
  const session = connectSession(options)
  session.on('ended', ({ reason }) => leave(reason))
  session.section('preferences').subscribe(showLooks)
  session.status.subscribe(() => showStatus(session))
  session.mode.subscribe(() => showStatus(session))
  session.subscribe(doc => { if (doc) root.removeAttribute('data-veiled') })
  addEventListener('pagehide', () => root.setAttribute('data-veiled', ''))
  return session
}

/**
 * Go to the page that says why; out of a frame, the whole window goes. Back must not lead here again.
 * The window and its frames hear of the end at the same moment: whoever is first leads the way, once.
 */
export function leave(reason) {
  root.setAttribute('data-veiled', '')
  if (window.top.isLeavingSession) return
  window.top.isLeavingSession = true
  window.top.location.replace('/auth/signed-out?reason=' + encodeURIComponent(reason ?? ''))
}

function showLooks(preferences) {
  if (!preferences) return
  for (const name of ['theme', 'accent', 'density']) root.dataset[name] = preferences[name] ?? ''
}

function showStatus(session) {
  const { name } = session.status.get()
  const mode = session.mode.get()
  const shown = name === 'live' && mode !== 'live' ? mode : name
  for (const element of document.querySelectorAll('[data-status]')) {
    element.dataset.status = shown
    element.querySelector('.status-text').textContent = WORDS[shown] ?? shown
  }
}

/** Ask this app's own server to do something. What it commits comes back through the session. */
export async function act(path, button) {
  button?.setAttribute('aria-busy', 'true')
  try {
    const answer = await fetch(path, { method: 'POST', headers: { Accept: 'application/json' } })
    if (answer.ok) return true
    const problem = await answer.json().catch(() => ({}))
    if (problem.code === 'session_ended') leave(problem.reason)
    else say(problem.detail ?? 'That did not work. Please try again.', 'bad')
  } catch {
    say('The server cannot be reached at the moment.', 'bad')
  } finally {
    button?.removeAttribute('aria-busy')
  }
  return false
}

/** A short message at the edge of the page. */
export function say(text, kind = 'plain') {
  let box = document.querySelector('.toasts')
  if (!box) {
    box = document.body.appendChild(document.createElement('div'))
    box.className = 'toasts'
    box.setAttribute('role', 'status')
  }
  const toast = box.appendChild(document.createElement('p'))
  toast.className = `toast toast-${kind}`
  toast.textContent = text
  setTimeout(() => toast.remove(), 6000)
}

/** The first sentence of a refused commit that a person can use. */
export function reasonOf(error) {
  return error?.problem?.errors?.[0]?.message ?? error?.problem?.detail ?? error?.message ?? 'That was refused.'
}

/** An element with a class and children; texts become text nodes, so nothing is ever parsed as HTML. */
export function make(tag, className, ...children) {
  const element = document.createElement(tag)
  if (className) element.className = className
  element.append(...children.filter(child => child !== undefined && child !== null))
  return element
}

/**
 * A window into the sessions of a page: `?hubDebug` in its address, or `import('/client/debug.js').then(m => m.find())`
 * from the console or a bookmark.
 *
 * It lives in a shadow root with a constructed style sheet and writes text as text, so it works under the strictest
 * content security policy and neither takes nor gives looks. It only looks: all it sends is a ping for the round trip.
 */

const PING_MS = 5_000
const FRAMES_SHOWN = 60

const STYLE = `
  :host { all: initial; color-scheme: light dark; position: fixed; inset: auto 12px 12px auto; z-index: 2147483647;
    --ink: light-dark(#1f2328, #e6edf3); --soft: light-dark(#59636e, #9198a1); --line: light-dark(#d1d9e0, #30363d);
    --paper: light-dark(#ffffff, #0d1117); --sunk: light-dark(#f6f8fa, #151b23);
    --good: light-dark(#1a7f37, #3fb950); --busy: light-dark(#9a6700, #d29922); --bad: light-dark(#cf222e, #f85149); }
  section { width: min(400px, calc(100vw - 24px)); max-height: min(460px, 60vh); display: flex; flex-direction: column;
    overflow: hidden; box-sizing: border-box; border: 1px solid var(--line); border-radius: 10px; background: var(--paper);
    color: var(--ink); box-shadow: 0 8px 28px rgb(0 0 0 / .18); font: 12px/1.5 ui-monospace, SFMono-Regular, Menlo, monospace; }
  header { display: flex; align-items: center; gap: 8px; padding: 8px 8px 8px 12px; border-bottom: 1px solid var(--line); }
  header b { font-weight: 600; } header span { color: var(--soft); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; flex: 1; }
  i { flex: none; width: 8px; height: 8px; border-radius: 50%; background: var(--busy); }
  [data-status=live] i { background: var(--good); } [data-status=ended] i, [data-status=closed] i { background: var(--bad); }
  button { all: unset; cursor: pointer; padding: 0 6px; border-radius: 6px; color: var(--soft); }
  button:hover { color: var(--ink); background: var(--sunk); } button:focus-visible { outline: 2px solid currentColor; }
  dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 12px; margin: 0; padding: 8px 12px; }
  dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
  ol { margin: 0; padding: 6px 0; list-style: none; overflow: auto; background: var(--sunk); border-top: 1px solid var(--line); flex: 1; }
  li { display: grid; grid-template-columns: 5.5em 1em 1fr; gap: 6px; padding: 0 12px; }
  li time { color: var(--soft); } li code { font: inherit; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  li code:hover { white-space: normal; overflow-wrap: anywhere; }
  .in { color: var(--good); } .out { color: var(--busy); } .small dl, .small ol { display: none; }
  li.fresh { animation: fresh 1s; } @keyframes fresh { from { background: color-mix(in srgb, var(--good) 22%, transparent); } }
  @media (prefers-reduced-motion: reduce) { li.fresh { animation: none; } }
`

const shown = new WeakSet()

/** An element with text or children. */
function make(name, content = [], attributes = {}) {
  const element = document.createElement(name)
  element.append(...[content].flat())
  for (const key in attributes) element.setAttribute(key, attributes[key])
  return element
}

/** How long the hub takes to answer: from the frame that asks to the one that answers it, in ms. */
export function roundTrips() {
  const asked = new Map()
  return ({ at, direction, message: { type, id } }) => {
    if (direction === 'out') asked.set(id, at)
    const key = type === 'heartbeat' ? 'ping' : id
    if (direction === 'out' || !asked.has(key)) return undefined
    const took = at - asked.get(key)
    asked.delete(key)
    return took
  }
}

/** What the overlay says, as pairs of a word and a text. */
export function describe({ sid, status, mode, position, view, pending }, rtt) {
  const more = [status.reason, status.code, status.retryAt && `next attempt ${new Date(status.retryAt).toLocaleTimeString()}`]
  return [
    ['status', [status.name, ...more.filter(Boolean)].join(' · ')],
    ['mode', mode],
    ['session', sid ?? '–'],
    ['position', `${position ?? '–'}${view ? ` · view ${view}` : ''}`],
    ['round trip', rtt === undefined ? '–' : `${rtt.toFixed(0)} ms`],
    ['pending', pending.map(({ id, state, held }) => `${id.slice(0, 8)} ${state}${held ? ', in doubt' : ''}`).join(' · ') || 'nothing'],
  ]
}

const clock = at => new Date(at).toISOString().slice(14, 23)

/** The line of one frame. */
function line({ at, direction, message }, fresh) {
  const text = JSON.stringify(message)
  return make('li', [make('time', clock(at)), make('span', direction === 'in' ? '↓' : '↑', { class: direction }), make('code', text, { title: message.type ?? '' })],
    fresh ? { class: 'fresh' } : {})
}

/** Shows a session in a corner of the page. `wake()` asks the hub for a sign of life. Returns the element. */
export function show(session, wake) {
  if (shown.has(session)) return undefined
  shown.add(session)
  const host = make('hub-debug')
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(STYLE)
  const root = host.attachShadow({ mode: 'open' })
  root.adoptedStyleSheets = [sheet]

  const title = make('span')
  const facts = make('dl')
  const frames = make('ol', session.inspect().frames.slice(-FRAMES_SHOWN).reverse().map(frame => line(frame)))
  const fold = make('button', '–', { title: 'smaller or larger', 'aria-label': 'smaller or larger' })
  const close = make('button', '×', { title: 'close', 'aria-label': 'close' })
  const box = make('section', [make('header', [make('i'), make('b', 'hub'), title, fold, close]), facts, frames], { 'aria-label': 'Hub session' })
  root.append(box)

  const measure = roundTrips()
  let rtt
  const draw = () => {
    const state = session.inspect()
    box.dataset.status = state.status.name
    title.textContent = [state.status.name, state.mode !== 'live' && state.mode, state.position, rtt !== undefined && `${rtt.toFixed(0)} ms`].filter(Boolean).join(' · ')
    facts.replaceChildren(...describe(state, rtt).flatMap(([word, text]) => [make('dt', word), make('dd', text)]))
  }
  const stop = new AbortController()
  session.on('frame', frame => {
    rtt = measure({ ...frame, at: Date.now() }) ?? rtt
    frames.prepend(line(frame, true))
    if (frames.childElementCount > FRAMES_SHOWN) frames.lastElementChild.remove()
    draw()
  }, { signal: stop.signal })
  const ping = () => {
    if (document.hidden || session.status.get().name !== 'live') return
    measure({ at: Date.now(), direction: 'out', message: { id: 'ping' } })
    wake()
  }
  const timer = setInterval(ping, PING_MS)
  const stops = [session.pending.listen(draw), session.mode.listen(draw), session.status.listen(draw), session.status.listen(ping), () => clearInterval(timer)]
  fold.onclick = () => box.classList.toggle('small')
  close.onclick = () => {
    stop.abort()
    for (const end of stops) end()
    shown.delete(session)
    host.remove()
  }
  draw()
  ping()
  document.body.append(host)
  return host
}

/** Shows every session of this page that is not shown yet. */
export function find() {
  document.dispatchEvent(new CustomEvent('hubdebug', { detail: show }))
}

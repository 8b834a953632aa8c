/**
 * A window into a session: open any page with `?hubDebug` in its address.
 *
 * Styles are set property by property and text as text, so it works under the strictest content security policy.
 */

const LOOK = {
  position: 'fixed', right: '8px', bottom: '8px', width: '420px', maxHeight: '50vh', overflow: 'auto', margin: '0', padding: '10px 12px',
  zIndex: '2147483647', font: '12px/1.5 ui-monospace, monospace', color: '#e6edf3', background: '#0d1117f2', borderRadius: '8px', whiteSpace: 'pre-wrap', overflowWrap: 'anywhere', maxWidth: 'calc(100vw - 40px)', boxSizing: 'border-box',
}

const clip = text => (text.length > 160 ? `${text.slice(0, 159)}…` : text)

/** What the overlay says: state first, then what still waits, then the latest frames, newest first. */
export function describe({ sid, status, mode, position, view, pending, frames }) {
  return [
    `${status.name}${status.reason ? ` (${status.reason})` : ''} · ${mode} · ${position ?? 'no position'} · view ${view ?? '–'} · ${sid ?? 'no sid'}`,
    ...pending.map(({ id, state, held }) => `… ${id} ${state}${held ? ', held back' : ''}`),
    ...frames.slice(-12).reverse().map(({ direction, message }) => `${direction === 'in' ? '↓' : '↑'} ${clip(JSON.stringify(message))}`),
  ].join('\n')
}

/** Shows a session in a corner of the page, until it is closed or over. */
export function showOverlay(session) {
  const panel = document.createElement('pre')
  Object.assign(panel.style, LOOK)
  const draw = () => { panel.textContent = describe(session.inspect()) }
  session.on('frame', draw)
  session.pending.listen(draw)
  session.status.subscribe(draw)
  document.body.append(panel)
}

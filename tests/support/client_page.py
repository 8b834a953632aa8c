"""An app of one page that uses the browser client in full, under the strictest content security policy.

``window.hub`` is its session; ``window.life`` what it has shown and gone through, with times. Its field ``#name`` is
bound to the name in ``profile`` both ways. A browser may keep the page for as long as it likes.
"""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler

from tests.support.served import Served

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Life of a page</title>
<link rel="icon" href="data:,"><h1>A page</h1><p data-status></p><p data-mode></p><input id="name">
<pre data-document></pre>
<script type="module" src="{folder}page.js"></script>"""

SCRIPT = """
import { connectSession } from '/client/index.js'

const life = window.life = { statuses: [], shown: [], errors: [], persisted: [], jumps: 0 }
const field = document.querySelector('#name')
const show = (name, text) => { document.querySelector(`[data-${name}]`).textContent = text }
addEventListener('error', ({ message }) => life.errors.push(message))
addEventListener('unhandledrejection', ({ reason }) => life.errors.push(String(reason)))
document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
  life.errors.push(`${violatedDirective} ${blockedURI}`)
})
addEventListener('pageshow', ({ persisted }) => {
  const seen = persisted ? document.body.innerText : ''
  life.persisted.push({ persisted, seen, status: window.hub?.status.get().name, document: window.hub?.get() ?? null })
})

const session = window.hub = connectSession()
session.status.subscribe(({ name, reason, code, retryAt }) => {
  life.statuses.push({ name, reason, code, retryAt, at: performance.timeOrigin + performance.now() })
  show('status', name)
})
session.mode.subscribe(mode => show('mode', mode))
session.subscribe(said => show('document', JSON.stringify(said ?? null)))
session.section('profile').subscribe(profile => {
  life.shown.push(profile?.name ?? null)
  if (field.value === (profile?.name ?? '')) return
  if (document.activeElement === field) life.jumps++
  field.value = profile?.name ?? ''
})
field.addEventListener('input', () => {
  session.patch({ profile: { name: field.value } }).catch(({ code }) => life.errors.push(code))
})
"""

POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:"


class ClientPage(Served):
    """Started by ``with``; an upstream for an app under any prefix."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        super().__init__(self._handler())

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        files = {
            "/page.js": ("text/javascript", SCRIPT),
            "/elsewhere": ("text/html; charset=utf-8", "<!doctype html><title>Elsewhere</title><h1>Elsewhere</h1>"),
        }
        page = ("text/html; charset=utf-8", PAGE.format(folder=f"{self._prefix}/"))

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = next((name for name in files if self.path.partition("?")[0].endswith(name)), "")
                kind, text = files.get(name, page)
                body = text.encode()
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Security-Policy", POLICY)
                self.send_header("Cache-Control", "private, max-age=600")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing: tests look at the page."""

        return Handler

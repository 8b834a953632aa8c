"""An app whose page shows who is meant and follows the session, and others (``…/plain/…``) that only show who.

Browsers may keep either for ten minutes: the app forgot to forbid it.
"""

from __future__ import annotations

from html import escape
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote

from tests.support.served import Served

PLAIN = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Private page</title>
<h1>The private page of {user}</h1>"""
LIVE = """<p data-status>not yet</p><pre data-document></pre>
<script type="module">
import { connectSession } from '/client/index.js'
const show = (name, text) => { document.querySelector(`[data-${name}]`).textContent = text }
const session = connectSession()
session.status.subscribe(({ name }) => show('status', name))
session.subscribe(said => show('document', JSON.stringify(said ?? null)))
session.on('ended', ({ reason }) => location.replace(`/auth/signed-out?reason=${reason ?? ''}`))
</script>
"""


class LivePage(Served):
    """Started by ``with``. ``visits`` counts the requests."""

    def __init__(self) -> None:
        self.visits = 0
        super().__init__(self._handler())

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        app = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                app.visits += 1
                user = escape(unquote(self.headers.get("X-Hub-User", "")))
                body = (PLAIN.format(user=user) + ("" if "/plain/" in self.path else LIVE)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Cache-Control", "private, max-age=600")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing: tests look at the page."""

        return Handler

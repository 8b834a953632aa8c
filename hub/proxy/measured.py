"""What the metrics are told of one request for an app: how it was answered, and how long until then."""

from __future__ import annotations

import time

from starlette.types import Message, Send

from hub.errors import HubError
from hub.telemetry import metrics

_BEGINNINGS = ("http.response.start", "websocket.http.response.start")
SWITCHING = 101


class Measured:
    """From when the request came until its answer begins. Who answers is to use ``watch``."""

    def __init__(self, app: str) -> None:
        self._app, self._began = app, time.perf_counter()
        self._is_answered = False

    def watch(self, send: Send) -> Send:
        """``send``, looked at."""

        async def watched(message: Message) -> None:
            if not self._is_answered:
                if message["type"] in _BEGINNINGS:
                    self._answered(metrics.status_class(message["status"]))
                elif message["type"] == "websocket.accept":
                    self._answered(metrics.status_class(SWITCHING))
            await send(message)

        return watched

    def failed(self, error: HubError) -> None:
        """The gateway refuses it, or breaks it off; what it fails by itself is counted by its problem."""
        if error.status >= 500:
            metrics.PROXY_FAILURES.add(self._app, error.code)

    def refused(self, error: HubError) -> None:
        """The refusal is somebody else's to write."""
        if not self._is_answered:
            self._answered(metrics.status_class(error.status))

    def over(self) -> None:
        """Nothing more comes; who left before the answer is counted as that."""
        if not self._is_answered:
            self._answered(metrics.GONE)

    def _answered(self, status: str) -> None:
        self._is_answered = True
        metrics.PROXY_REQUESTS.add(self._app, status)
        if status != metrics.GONE:
            metrics.PROXY_SECONDS.observe(time.perf_counter() - self._began, self._app)

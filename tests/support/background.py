"""Tabs of one window that are really hidden behind each other, as Playwright keeps its own from being.

Playwright makes every page it drives believe that it has the focus. These tabs are driven over the browser's own CDP
session, and Chromium throttles the timers of those in the background as it does for users.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

from playwright.async_api import Browser, CDPSession

from tests.support.waiting import eventually

THROTTLED = (
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-background-timer-throttling",
)
"""What Playwright passes to keep tabs awake: to be left out for these."""
SECONDS = 10.0


class Window:
    """One window with one jar of cookies."""

    def __init__(self, session: CDPSession, context: str) -> None:
        self._session, self._context = session, context
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._ids = itertools.count(1)
        session.on("Target.receivedMessageFromTarget", self._on_message)

    @classmethod
    async def open(cls, browser: Browser, *, url: str, cookie: str) -> Window:
        """A new window whose cookie ``hub`` at ``url`` is this."""
        session = await browser.new_browser_cdp_session()
        context = (await session.send("Target.createBrowserContext"))["browserContextId"]
        jar = [{"name": "hub", "value": cookie, "url": url}]
        await session.send("Storage.setCookies", {"cookies": jar, "browserContextId": context})
        return cls(session, context)

    async def tab(self, url: str) -> BackgroundTab:
        """One more tab, in front of the others."""
        target = (await self._session.send("Target.createTarget", {"url": url, "browserContextId": self._context}))[
            "targetId"
        ]
        attached = await self._session.send("Target.attachToTarget", {"targetId": target})
        return BackgroundTab(self, target, attached["sessionId"])

    async def send(self, session_id: str, method: str, **params: Any) -> Any:
        """One command for one tab, and its result."""
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        message = json.dumps({"id": number, "method": method, "params": params})
        await self._session.send("Target.sendMessageToTarget", {"sessionId": session_id, "message": message})
        return await asyncio.wait_for(answer, SECONDS)

    async def activate(self, target: str) -> None:
        await self._session.send("Target.activateTarget", {"targetId": target})

    def _on_message(self, event: dict[str, Any]) -> None:
        said = json.loads(event["message"])
        answer = self._answers.pop(said.get("id", 0), None)
        if answer is not None and not answer.done():
            answer.set_result(said.get("result"))


class BackgroundTab:
    """One tab of such a window."""

    def __init__(self, window: Window, target: str, session_id: str) -> None:
        self._window, self._target, self._session_id = window, target, session_id

    async def evaluate(self, expression: str) -> Any:
        """The JSON value of an expression; None where it cannot be had (yet)."""
        said = await self._window.send(
            self._session_id, "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        return (said or {}).get("result", {}).get("value")

    async def show(self) -> None:
        """Bring it to the front; the others are hidden then."""
        await self._window.activate(self._target)

    async def until(self, expression: str, seconds: float = SECONDS) -> None:
        """Until an expression is true there."""

        async def is_so() -> bool:
            return bool(await self.evaluate(expression))

        await eventually(is_so, seconds)

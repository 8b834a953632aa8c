"""Account's server: the page, and two things that only a server decides.

Everything typed into the page is committed by the page itself. The two actions here commit as the app, with the
context token as bearer, and answer 204: the page hears of the change like everybody else, from its live connection.
"""

from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from shared.hub_app import HubApp, make_hub_app
from shared.looks import looks_of, section, shown_name, text
from shared.pages import fill

HERE = Path(__file__).parent
EPITHETS = ("the Curious", "the Methodical", "of the Machines", "the Unhurried", "the Precise")
FRESH_LOOKS = {"preferences": {"theme": "system", "accent": "iris", "density": None}}


def suggested_name(given_name: str, current: str) -> str:
    """The next epithet after the one in use, so that asking again gives another name."""
    names = [f"{given_name} {epithet}" for epithet in EPITHETS]
    return names[(names.index(current) + 1) % len(names)] if current in names else names[0]


def create_app(hub: HubApp) -> FastAPI:
    """The ASGI app of Account."""
    app = make_hub_app(hub, HERE / "static")

    @app.get(f"{hub.prefix}/")
    async def page(request: Request) -> Response:
        document = await hub.document(await hub.caller(request))
        identity = section(document, "identity")
        name = text(identity, "name")
        return HTMLResponse(
            fill(
                HERE / "pages" / "account.html",
                name=shown_name(document),
                full_name=name,
                email=text(identity, "email"),
                initials="".join(word[0] for word in name.split()[:2]).upper(),
                **looks_of(document),
            )
        )

    @app.post(f"{hub.prefix}/actions/suggest-name")
    async def suggest_name(request: Request) -> Response:
        caller = await hub.caller(request)
        document = await hub.document(caller)
        given_name = (text(section(document, "identity"), "name").split() or ["Somebody"])[0]
        name = suggested_name(given_name, shown_name(document))
        await hub.api.commit(caller.token, {"profile": {"name": name}})
        return Response(status_code=204)

    @app.post(f"{hub.prefix}/actions/reset-looks")
    async def reset_looks(request: Request) -> Response:
        caller = await hub.caller(request)
        await hub.api.commit(caller.token, FRESH_LOOKS)
        return Response(status_code=204)

    return app

"""The provider's pages. Each function returns one whole page; nothing here decides anything."""

from pathlib import Path

from fastapi.responses import HTMLResponse
from shared.pages import Html, fill, join

from idp.people import PEOPLE
from idp.provider import BrowserSession

PAGES = Path(__file__).parent / "pages"


def _page(title: str, body: Html, status: int = 200) -> HTMLResponse:
    return HTMLResponse(fill(PAGES / "layout.html", title=title, body=body), status_code=status)


def choose(*, transaction: str, going_to: str, suggested: str) -> HTMLResponse:
    """Who do you want to be? ``transaction`` is the key of the waiting request."""
    cards = join(
        [
            fill(
                PAGES / "card.html",
                sub=person.sub,
                name=person.name,
                email=person.email,
                initials=person.initials,
                note=Html(f'<span class="chip">{person.about}</span>') if person.about else Html(""),
                focus=Html(" autofocus" if person.sub == suggested else ""),
            )
            for person in PEOPLE.values()
        ]
    )
    body = fill(PAGES / "choose.html", cards=cards, transaction=transaction, going_to=going_to)
    return _page("Who do you want to be?", body)


def home(session: BrowserSession | None) -> HTMLResponse:
    """The provider's front page: who is signed in with this browser, and the way out."""
    if session is None:
        return message("Nobody is signed in", "When an app sends you here to sign in, you can choose who to be.")
    person = session.person
    body = fill(PAGES / "home.html", sub=person.sub, name=person.name, email=person.email, initials=person.initials)
    return _page("Signed in", body)


def confirm_sign_out(*, session: BrowserSession, uri: str, state: str) -> HTMLResponse:
    """Ask before ending a session for a request that does not prove where it comes from."""
    body = fill(PAGES / "confirm.html", name=session.person.name, uri=uri, state=state)
    return _page("Sign out?", body)


def message(title: str, text: str, status: int = 200) -> HTMLResponse:
    """A heading and a sentence."""
    return _page(title, fill(PAGES / "message.html", title=title, text=text), status)

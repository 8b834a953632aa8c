"""The parts of one node, built in the order in which they need each other. The only file that sees all of them."""

from __future__ import annotations

import secrets

from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from hub import __version__, assembly, gauges, resources
from hub.api.access_log import AccessLog
from hub.api.auth.backchannel import Backchannel
from hub.api.auth.deps import AuthDeps
from hub.api.auth.routes import auth_routes, backchannel_route
from hub.api.batches import batch_routes
from hub.api.callers import follower
from hub.api.client_files import ClientFiles, client_routes
from hub.api.documentation import About, documentation_routes
from hub.api.documents import Documents
from hub.api.edge import Edge, Problems
from hub.api.entrance import Entrance, Framed, cors
from hub.api.health import health_routes
from hub.api.identify import Identifier
from hub.api.log_in import BearerSessions
from hub.api.pages import asset_routes, gateway_page
from hub.api.reveal import reveal_routes
from hub.api.routes import Route, to_starlette
from hub.api.sessions import SessionHandlers
from hub.api.table import document_routes, live_routes, session_routes
from hub.api.tickets import ticket_routes
from hub.api.verify import VERIFY_PATH, verify_routes
from hub.core.mode import Mode
from hub.errors import UpgradeRequired
from hub.live.admission import Admission
from hub.live.events import EventsEndpoint
from hub.live.fanout import Fanout
from hub.live.opening import Live
from hub.live.rounds import Rounds
from hub.live.websocket import OWN_LIVE_PATH, WebSocketEndpoint
from hub.proxy.gateway import Gateway, Services
from hub.proxy.verify import Verify
from hub.sessions.commit import Commits
from hub.sessions.reveal import Reveals
from hub.sessions.sessions import Sessions
from hub.settings import Settings
from hub.store.embedded import EmbeddedStore
from hub.store.keyring import KeyRing
from hub.store.keyring.live import LiveRing
from hub.store.store import Store

OPERATORS_HOME = "/docs"


class Node:
    """The parts of one node, in the order in which they need each other."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.name = secrets.token_hex(6)
        self._embedded: EmbeddedStore | None = None
        self._ring, url = self._ring_and_url()
        ring, look = self._ring.keys, self._ring.look
        self.store = Store(url, ring, self.name, assembly.store_tls_of(settings), look, settings.durability)
        sections = assembly.sections_of(settings)
        self.masks = assembly.masks_of(ring)
        commits = Commits(self.store, self.store.chain, sections, settings.session.history_changes)
        self.sessions = Sessions(
            self.store, commits, sections, assembly.lifetimes_of(settings), assembly.rates_of(settings)
        )
        self.reveals = Reveals(commits, sections)
        self.fanout = Fanout(self.store, self.store.clock, self.sessions, settings.session.connections)
        self.rounds = Rounds(self.fanout, self.store)
        self.live = Live(
            sessions=self.sessions,
            fanout=self.fanout,
            presence=self.store,
            app_grants=assembly.app_grants_of(settings),
            masks=self.masks,
            mode=self.store.mode_of,
            until_live=self.store.until_live,
            admission=Admission(self.fanout, self.rounds.memory, settings.limits.connections),
            messages_per_second=settings.limits.messages_per_second,
        )
        self.store.watching.listeners.append(self.fanout.on_mode)
        self.identity = assembly.Identity(settings, ring, self.store, sections.browser_grants, look)
        self._ring.followers += [self.identity.follow_ring, self.store.follow_ring]
        self.identifier = Identifier(
            self.identity.authenticator,
            self.store.read,
            self.identity.tickets,
            assembly.trusted_of(settings),
            self.identity.doors,
        )
        self.gateway = self._gateway()
        self.verify = self._verify()
        self.app = self._application()

    # start and stop

    def _ring_and_url(self) -> tuple[LiveRing, str]:
        settings = self._settings
        if settings.store_url != "embedded":
            assert settings.keys.file is not None, "settings require it"
            return LiveRing(settings.keys.file), settings.store_url
        self._embedded = EmbeddedStore(settings.data_dir)
        url = self._embedded.start()
        file = settings.key_ring_file
        if settings.keys.file is None:
            KeyRing.load_or_create(file)
        return LiveRing(file), url

    async def start(self) -> None:
        """Reach the store and hear the feed."""
        await self.store.start(self.fanout)
        self.rounds.start()
        self._ring.start()
        gauges.attach(self, self._settings.limits.connections)

    async def stop(self) -> None:
        """Leave in order."""
        await self._ring.stop()
        await self.rounds.stop()
        await self.store.stop()
        self.gateway.close()
        await self.identity.http.aclose()
        if self._embedded is not None:
            self._embedded.stop()

    # what a load balancer asks

    @property
    def mode(self) -> Mode:
        return self.store.mode

    @property
    def store_is_there(self) -> bool:
        return self.store.watching.is_there

    @property
    def feed(self) -> bool:
        return self.store.watching.is_delivering

    @property
    def is_serving(self) -> bool:
        return self.store.watching.is_serving

    @property
    def draining(self) -> bool:
        return self.live.draining

    @property
    def ring(self) -> KeyRing:
        """The keys in use now."""
        return self._ring.keys

    # HTTP

    def _gateway(self) -> Gateway:
        return Gateway(
            assembly.apps_of(self._settings),
            Services(
                authenticate=self.identity.authenticator.authenticate,
                signer=self.identity.contexts,
                touch=self.sessions.touch,
                follow=self.fanout.watch,
                page=gateway_page,
            ),
            cookies=self.identity.cookies,
            public_url=self._settings.public_url,
            trusted_proxies=self._settings.trusted_proxies,
        )

    def _verify(self) -> Verify:
        return Verify(
            assembly.apps_of(self._settings),
            authenticate=self.identity.authenticator.authenticate,
            signer=self.identity.contexts,
            touch=self.sessions.touch,
            doors=self.identity.doors,
            trusted=assembly.trusted_of(self._settings),
        )

    def _application(self) -> ASGIApp:
        self._table = self._routes()
        router = Router(to_starlette(self._table), redirect_slashes=False)
        api: ASGIApp = Framed(router)
        public = cors(Problems(api), self._settings.allowed_origins) if self._settings.allowed_origins else api
        hot = {VERIFY_PATH: self.verify}
        doors, sockets = self.identity.doors, {OWN_LIVE_PATH: self._live}
        entrance = Entrance(doors, gateway=self.gateway, public=public, closed=api, hot=hot, sockets=sockets)
        edge = Edge(entrance, assembly.hosts_of(self._settings))
        return AccessLog(edge) if self._settings.access_log else edge

    def _routes(self) -> list[Route]:
        settings, identity, callers = self._settings, self.identity, self.identifier
        self._live = WebSocketEndpoint(self.live, follower(callers, callers.identify_socket))
        bearer = BearerSessions(identity.bearer, self.sessions.open, identity.tokens.new, callers, identity.log_ins)
        about = About(lambda: self._table, __version__, settings.public_url, self._home_at)
        return [
            *documentation_routes(about),
            *health_routes(self, identity.contexts.jwks),
            *auth_routes(self._auth()),
            backchannel_route(
                Backchannel(identity.logout_tokens, self.sessions.end_at_provider, identity.failures, callers.address)
            ),
            *verify_routes(self.verify),
            *ticket_routes(identity.tickets, callers, frozenset(settings.apps)),
            *session_routes(SessionHandlers(self.sessions, callers, bearer, identity.issuers)),
            *batch_routes(self.sessions, callers),
            *document_routes(Documents(self.sessions, callers, self.masks)),
            *reveal_routes(self.reveals, callers),
            *live_routes(
                _refuse_plain,
                self._live,
                EventsEndpoint(self.live, follower(callers, callers.identify_stream)),
            ),
            *client_routes(ClientFiles(resources.find("client_js"))),
            *asset_routes(),
        ]

    def _auth(self) -> AuthDeps:
        identity = self.identity
        return AuthDeps(
            oidc=identity.oidc,
            transactions=identity.transactions,
            handovers=identity.handovers,
            read=self.store.read,
            sessions=self.sessions,
            authenticator=identity.authenticator,
            tokens=identity.tokens,
            cookies=identity.cookies,
            proofs=identity.proofs,
            log_ins=identity.log_ins,
            address_of=self.identifier.address,
            check_open=self.store.check_writable,
            doors=identity.doors,
            clear_site_data=", ".join(f'"{kind}"' for kind in self._settings.session.clear_site_data),
        )

    def _home_at(self, host: str) -> str:
        """Where ``/`` leads: at the operators' own door there are no apps."""
        return self._settings.home if self.identity.doors.at(host).is_for_apps else OPERATORS_HOME


async def _refuse_plain(scope: Scope, receive: Receive, send: Send) -> None:
    """``/live`` without an upgrade."""
    raise UpgradeRequired

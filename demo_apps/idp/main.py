"""The provider's command line. Mistakes in it end the program with one line and exit code 2."""

import argparse
import os
from urllib.parse import urlsplit

from shared.web import fail, listen, serve

from idp.app import create_app, make_provider
from idp.clients import Client


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="idp", description="A small OpenID provider with three people to be.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=9000, help="port to listen on, 0 for a free one (default: 9000)")
    parser.add_argument("--issuer", help="the provider's URL as browsers see it (default: http://127.0.0.1:PORT)")
    parser.add_argument("--client-id", default="hub", help="the registered client (default: %(default)s)")
    parser.add_argument(
        "--client-secret-env",
        default="DEMO_IDP_SECRET",
        metavar="NAME",
        help="environment variable that holds the client's secret (default: %(default)s)",
    )
    parser.add_argument("--redirect-uri", action="append", default=[], help="registered redirect URI; repeatable")
    parser.add_argument("--post-logout-uri", action="append", default=[], help="where log-out may lead; repeatable")
    parser.add_argument("--backchannel-uri", help="where logout tokens are sent (default: nowhere)")
    return parser


def _require_absolute(uris: list[str]) -> None:
    for uri in uris:
        parts = urlsplit(uri)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment:
            fail(f"not an absolute http(s) URI without fragment: {uri}")


def main() -> None:
    """Parse the command line and serve."""
    arguments = _parser().parse_args()
    secret = os.environ.get(arguments.client_secret_env, "")
    if not secret:
        fail(f"the client's secret is missing: set {arguments.client_secret_env} in the environment")
    if not arguments.redirect_uri:
        fail("at least one --redirect-uri is needed")
    backchannel = [arguments.backchannel_uri] if arguments.backchannel_uri else []
    _require_absolute([*arguments.redirect_uri, *arguments.post_logout_uri, *backchannel])
    listener = listen(arguments.host, arguments.port)
    issuer = arguments.issuer or f"http://127.0.0.1:{listener.getsockname()[1]}"
    _require_absolute([issuer])
    if urlsplit(issuer).path not in ("", "/") or urlsplit(issuer).query:
        fail(f"the issuer must be an origin without path: {issuer}")
    client = Client(
        client_id=arguments.client_id,
        secret=secret,
        redirect_uris=tuple(arguments.redirect_uri),
        post_logout_uris=tuple(arguments.post_logout_uri),
        backchannel_uri=arguments.backchannel_uri,
    )
    serve(create_app(make_provider(issuer.rstrip("/"), client)), listener, name="idp")

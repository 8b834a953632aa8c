"""The commands, their options and their help. What they do is in the modules they import."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.key_commands import keys
from hub.cli.options import AsJson, ConfigFile

if TYPE_CHECKING:
    from hub.cli.remote import RemoteHub

app = typer.Typer(
    name="hub",
    help="One live JSON document per user session, the same in every app and tab.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
sessions = typer.Typer(help="Sessions of a running hub, over HTTP; the service key is read from HUB_TOKEN.")
users = typer.Typer(help="Users of a running hub, over HTTP; the service key is read from HUB_TOKEN.")
audit = typer.Typer(help="The audit trail, read from the store directly with the node's configuration and key ring.")
config = typer.Typer(help="The configuration.")
for name, group in {"sessions": sessions, "users": users, "audit": audit, "keys": keys, "config": config}.items():
    group.info.no_args_is_help = True
    app.add_typer(group, name=name)

Url = Annotated[
    str | None, typer.Option("--url", help="Base URL of the hub (default: public_url of the configuration).")
]
Sid = Annotated[str, typer.Argument(metavar="SID", help="Public id of the session.")]


@app.callback(invoke_without_command=True)
def _hub(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from importlib.metadata import PackageNotFoundError
        from importlib.metadata import version as installed

        try:
            print(installed("single-state-hub"))
        except PackageNotFoundError:
            print("not installed (running from a checkout)")
        raise typer.Exit


@app.command()
def serve(
    config: ConfigFile = None,
    bind: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where to listen; port 0 takes a free one.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes on this port.")] = 1,
    ssl_certfile: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificate chain (PEM), for https.")
    ] = None,
    ssl_keyfile: Annotated[Path | None, typer.Option(metavar="FILE", help="Its private key (PEM).")] = None,
    as_json: AsJson = False,
) -> None:
    """Run a node, or several with --workers."""
    from hub.cli.serve import Serving, serve

    tls = (str(ssl_certfile), str(ssl_keyfile) if ssl_keyfile else None) if ssl_certfile else None
    if ssl_keyfile and not ssl_certfile:
        raise typer.BadParameter("--ssl-keyfile needs --ssl-certfile")
    serve(Serving(config, bind, workers, tls, as_json))


@app.command(hidden=True)
def worker(
    socket_fd: Annotated[int, typer.Option()],
    link_fd: Annotated[int, typer.Option()],
    number: Annotated[int, typer.Option()] = 0,
    metrics_dir: Annotated[Path | None, typer.Option()] = None,
    config: ConfigFile = None,
    ssl_certfile: Annotated[str | None, typer.Option()] = None,
    ssl_keyfile: Annotated[str | None, typer.Option()] = None,
) -> None:
    """Run one of the processes of `hub serve --workers`; it lives as long as its parent."""
    from hub.cli.serve import Place, serve_as_worker

    place = Place(socket_fd, link_fd, number, metrics_dir)
    serve_as_worker(config, place, (ssl_certfile, ssl_keyfile) if ssl_certfile else None)


@app.command()
def demo(
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of the hub, 0 for a free one (default: 8000, if free).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run everything on this machine: store, identity provider, apps and hub."""
    from hub.cli.demo import demo

    demo(port, as_json)


@app.command("service-key")
def service_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The service's name: letters, digits, . and -.")],
    as_json: AsJson = False,
) -> None:
    """Make a key for a service: the secret, once, and the line for the configuration."""
    from hub.cli.keys import new_service_key

    new_service_key(name, as_json)


@config.command("check")
def config_check(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Validate the configuration and print what is in effect, secrets masked."""
    from hub.cli.configuration import check

    check(config, as_json)


@config.command("table")
def config_table(as_json: AsJson = False) -> None:
    """Print every key with its default and meaning (Markdown)."""
    from hub.cli.configuration import table

    table(as_json)


@app.command()
def doctor(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Check everything a node needs: key ring, store, identity providers, apps, limits, clocks."""
    from hub.cli.doctor import doctor

    doctor(config, as_json)


@sessions.command("list")
def sessions_list(
    user: Annotated[str | None, typer.Option(help="Only this user's.")] = None,
    in_app: Annotated[str | None, typer.Option("--app", help="Only those with a connection of this app.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 50,
    url: Url = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List live sessions."""
    from hub.cli.sessions import list_sessions

    list_sessions(_hub_at(url, config), user, in_app, limit, as_json)


@sessions.command("show")
def sessions_show(sid: Sid, url: Url = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show a session: who, since when, where it stands; never the document."""
    from hub.cli.sessions import show_session

    show_session(_hub_at(url, config), sid, as_json)


@sessions.command("watch")
def sessions_watch(sid: Sid, url: Url = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Follow a session live, until it ends or Ctrl-C."""
    from hub.cli.watch import watch

    watch(_hub_at(url, config), sid, as_json)


@sessions.command("end")
def sessions_end(
    sid: Sid,
    detail: Annotated[str | None, typer.Option(help="A sentence for the user and the audit trail.")] = None,
    url: Url = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """End a session: every tab of it is logged out at once."""
    from hub.cli.sessions import end_session

    end_session(_hub_at(url, config), sid, detail, as_json)


@users.command("end")
def users_end(
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's `sub` at the identity provider.")],
    provider: Annotated[str | None, typer.Option(help="The provider, where several are configured.")] = None,
    keep: Annotated[str | None, typer.Option("--except", metavar="SID", help="All sessions but this one.")] = None,
    url: Url = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """End all sessions of a user, in one atomic act."""
    from hub.cli.sessions import end_user

    end_user(_hub_at(url, config), user, provider, keep, as_json)


@audit.command("verify")
def audit_verify(
    sid: Annotated[str | None, typer.Argument(metavar="SID", help="Public id of the session.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All sessions in the store.")] = False,
    heads: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Log of a node (JSON lines; - for stdin) to compare ends with; repeatable."),
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Check that a history is whole and unchanged; name the first revision that does not fit."""
    from hub.cli.audit import Verifying, verify

    verify(Verifying(sid, everything, heads or [], config, as_json))


@audit.command("show")
def audit_show(
    sid: Sid,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Only what came after this position or time.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="WHEN", help="Only up to this position or time.")] = None,
    path: Annotated[
        str | None, typer.Option(metavar="POINTER", help="Only what changed this place, e.g. /profile/name.")
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show a history: who changed what, when; of a live session or of one that is over."""
    from hub.cli.audit_show import Showing, show

    show(Showing(sid, since, until, path, config, as_json))


@audit.command("export")
def audit_export(
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Archive to write or to go on with (default: stdout).")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Only entries from this time on.")] = None,
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines (they always are).")] = False,
) -> None:
    """Write all histories as JSON lines; an archive that exists is continued."""
    from hub.cli.audit_export import Exporting, export

    export(Exporting(output, since, config))


def _hub_at(url: str | None, config: Path | None) -> "RemoteHub":
    from hub.cli.remote import find_hub

    return find_hub(url, config)

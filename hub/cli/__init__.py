"""The command line: what a person types, turned into settings, HTTP calls and processes.

Every command imports what it needs when it runs, so that ``hub --help`` answers at once. Exit codes: 0 fine, 1 failed,
2 usage or configuration. Whatever goes wrong is one clear line on stderr (configuration: one line per mistake).
"""

import sys
from collections.abc import Sequence

from hub.errors import ConfigurationError


class CommandError(Exception):
    """The command was right, but it could not be done. Exit code 1."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    from typer import Abort
    from typer.exceptions import TyperException
    from typer.main import get_command

    from hub.cli.commands import app

    try:
        code = get_command(app).main(args=arguments, prog_name="hub", standalone_mode=False)
    except TyperException as error:
        return _usage(error)
    except ConfigurationError as error:
        return _fail(str(error), 2)
    except CommandError as error:
        return _fail(str(error), 1)
    except (Abort, KeyboardInterrupt):
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # whoever read us has gone: there is nobody to tell
        return 1
    except OSError as error:
        return _fail(f"{error.filename or 'system'}: {error.strerror or error}", 1)
    return min(code, 1) if isinstance(code, int) and code not in (0, 2) else int(code or 0)


def _usage(error: Exception) -> int:
    said = str(getattr(error, "format_message", error.__str__)())
    if type(error).__name__ == "NoArgsIsHelpError":
        print(said)
        return 2
    return _fail(f"{said.rstrip('.')} (see `hub --help`)", 2)


def _fail(said: str, code: int) -> int:
    for line in said.splitlines() or ["failed"]:
        print(f"hub: {line}", file=sys.stderr)
    return code

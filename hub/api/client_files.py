"""The browser client's files at ``/client/``: one stable entrance each, everything else under a version, for good.

A browser would find the modules of the client one level of imports after the other. The entrance names all that its
module needs, so they come at once.
"""

from __future__ import annotations

import hashlib
import json
import mimetypes
import posixpath
import re
from http import HTTPStatus
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from hub.api.routes import Answer, Parameter, Route
from hub.errors import NotFound

FOREVER = "public, max-age=31536000, immutable"
ALWAYS_ASK = "no-cache"
SERVED = (".js", ".ts", ".css", ".json", ".map")
_IMPORT = re.compile(r"^(?:import|export)\b[^'\n]*'(\./[^']+)'", re.MULTILINE)


class ClientFiles:
    """The files of one folder, read once."""

    def __init__(self, folder: Path) -> None:
        self._files = {
            file.relative_to(folder).as_posix(): file.read_bytes()
            for file in sorted(folder.rglob("*"))
            if file.is_file() and file.suffix in SERVED and "node_modules" not in file.parts
        }
        digest = hashlib.sha256(b"".join(self._files.values())).hexdigest()[:8]
        package = json.loads(self._files.get("package.json", b'{"version": "0"}'))
        self.version = f"{package['version']}-{digest}"

    def get(self, path: str) -> tuple[bytes, str, str]:
        """Content, media type and cache rule. Raises ``NotFound``."""
        version, _, name = path.partition("/")
        if version == self.version and name in self._files:
            return self._files[name], _type(name), FOREVER
        if path in self._files and path.endswith(".js"):
            return self._entrance(path), _type(path), ALWAYS_ASK
        raise NotFound

    def _entrance(self, name: str) -> bytes:
        """A stable name for a module: it leads to the version that is served now."""
        needed = "".join(f"import './{self.version}/{each}'\n" for each in sorted(self._needs(name) - {name}))
        return f"{needed}export * from './{self.version}/{name}'\n".encode()

    def _needs(self, name: str) -> set[str]:
        """The module and all that it imports, at any depth. What it loads only when asked for is left out."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            each = waiting.pop()
            if each not in found and each in self._files:
                found.add(each)
                imported = _IMPORT.findall(self._files[each].decode())
                waiting += [posixpath.normpath(posixpath.join(posixpath.dirname(each), other)) for other in imported]
        return found


def _type(name: str) -> str:
    if name.endswith(".js"):
        return "text/javascript; charset=utf-8"
    return mimetypes.guess_type(name)[0] or "text/plain"


def client_routes(files: ClientFiles) -> list[Route]:
    """``/client/…``."""

    async def serve(request: Request) -> Response:
        content, media_type, cache = files.get(request.path_params["path"])
        headers = {
            "Cache-Control": cache,
            "ETag": f'"{files.version}"',
            "Access-Control-Allow-Origin": "*",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(None, 304, headers)
        return Response(content, 200, headers, media_type)

    return [
        Route(
            "GET",
            "/client/{path:path}",
            "Files of the browser client: `/client/index.js`, `/client/<version>/…`.",
            [
                Answer(HTTPStatus.OK, "The file.", "text/javascript", {"type": "string"}, ("ETag",)),
                Answer(HTTPStatus.NOT_MODIFIED, "The one you have.", headers=("ETag",)),
            ],
            serve,
            tag="operation",
            parameters=(Parameter("path", "path", "`index.js`, or a version and a file.", required=True),),
            problems=(404, 421, 431),
            is_public=True,
        )
    ]

"""The provider's own cookie, and the check that a form came from one of its own pages."""

from dataclasses import dataclass

from fastapi import Request, Response


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """Cookies ignore ports, so the name carries the port: two demos on one machine keep apart."""

    name: str

    def read(self, request: Request) -> str | None:
        return request.cookies.get(self.name)

    def write(self, response: Response, value: str) -> None:
        response.set_cookie(self.name, value, httponly=True, samesite="lax", path="/")

    def clear(self, response: Response) -> None:
        response.delete_cookie(self.name, httponly=True, samesite="lax", path="/")


def is_own_origin(request: Request, issuer: str) -> bool:
    """Browsers name the origin of every POST; a program that names none holds no cookie it did not get itself."""
    return request.headers.get("origin", issuer) == issuer

"""Who is calling, for handlers: the composition root provides it, so that no handler reads a credential."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

from starlette.types import Scope

from hub.core.principal import Principal
from hub.errors import Forbidden

Identify: TypeAlias = Callable[[Scope], Awaitable[Principal]]
"""Who is calling, by the rules of one kind of request."""


class Callers(Protocol):
    """Turns a request into a principal, or refuses."""

    async def identify(self, scope: Scope) -> Principal:
        """The caller. Raises what the contract says; CSRF rules included."""

    def operator_of(self, principal: Principal, scope: Scope) -> Principal | None:
        """The same person as an operator, if that is one, recently logged in, and on the console's host."""


async def who_may_list(callers: Callers, scope: Scope) -> Principal:
    """A service with ``may_list``, or an operator. Raises ``Forbidden``."""
    principal = await callers.identify(scope)
    if principal.may_list:
        return principal
    operator = callers.operator_of(principal, scope)
    if operator is None:
        raise Forbidden("Listing sessions is for operators and services with may_list")
    return operator


async def user_or_operator(callers: Callers, scope: Scope, sid: str, *, is_for_operators: bool = False) -> Principal:
    """The caller; as an operator, if that is one, for a session of somebody else or what only operators may."""
    return _at(callers, scope, await callers.identify(scope), sid, is_for_operators=is_for_operators)


def follower(callers: Callers, identify: Identify) -> Identify:
    """The same for live connections, whose callers prove who they are by rules of their own."""

    async def who_follows(scope: Scope) -> Principal:
        return _at(callers, scope, await identify(scope), scope["path_params"]["sid"])

    return who_follows


def _at(callers: Callers, scope: Scope, principal: Principal, sid: str, *, is_for_operators: bool = False) -> Principal:
    if principal.kind == "user" and (is_for_operators or sid not in ("me", principal.sid)):
        return callers.operator_of(principal, scope) or principal
    return principal

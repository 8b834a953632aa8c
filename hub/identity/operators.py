"""Operators: people who may look at and end other people's sessions, told by what their provider says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hub.core.access import IDENTITY
from hub.core.ports import Clock
from hub.core.principal import Principal
from hub.core.session import Session


@dataclass(frozen=True, slots=True)
class OperatorRule:
    """A key of the section ``identity`` and the value it must have, or must have among its values."""

    claim: str
    value: str


class Operators:
    """The rules by provider, and how recently an operator has to have logged in (seconds)."""

    def __init__(self, rules: Mapping[str, OperatorRule], max_age_seconds: float, clock: Clock) -> None:
        self._rules = dict(rules)
        self._max_age_seconds, self._clock = max_age_seconds, clock

    def operator_of(self, principal: Principal) -> Principal | None:
        """The operator that this caller is, or ``None``. Only a browser session of the hub's own host can be one."""
        session = principal.session
        if principal.kind != "user" or not principal.via_cookie or principal.app is not None or session is None:
            return None
        if not self._is_named(session) or not self._is_recent(session):
            return None
        return Principal(
            kind="operator",
            name=principal.name,
            grants={},
            session=session,
            may_list=True,
            may_end=True,
            via_cookie=True,
            until_ms=self._until_ms(session),
        )

    def _is_named(self, session: Session) -> bool:
        rule = self._rules.get(session.log_in.provider)
        identity = session.document.get(IDENTITY)
        if rule is None or not isinstance(identity, dict):
            return False
        said = identity.get(rule.claim)
        return said == rule.value or (isinstance(said, list) and rule.value in said)

    def _is_recent(self, session: Session) -> bool:
        return self._clock.now_ms() < self._until_ms(session)

    def _until_ms(self, session: Session) -> int:
        return round((session.log_in.auth_time + self._max_age_seconds) * 1000)

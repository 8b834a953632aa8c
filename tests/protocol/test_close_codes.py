"""Close codes: the numbers are a contract, and the range is the policy."""

from __future__ import annotations

from hub.protocol.close_codes import CloseCode


def test_the_codes_are_those_of_the_contract() -> None:
    """Clients know them by number."""
    assert {code.name: int(code) for code in CloseCode} == {
        "SHUTDOWN": 4001,
        "SLOW": 4002,
        "LIMIT": 4003,
        "ENDED": 4500,
        "UNAUTHENTICATED": 4501,
        "BAD_MESSAGE": 4502,
        "FORBIDDEN": 4503,
        "TOO_MANY": 4504,
    }


def test_only_45xx_tell_a_client_to_stay_away() -> None:
    """40xx come back by themselves."""
    assert all(code.terminal == (4500 <= code < 4600) for code in CloseCode)

"""The hidden field of a hub page's form, and what counts as JSON. (The rules as a whole: ``test_authenticator``.)"""

from __future__ import annotations

import pytest

from hub.errors import CsrfRefused
from hub.identity.csrf import FormProofs, check_media_type


def test_a_field_is_for_one_session_only() -> None:
    proofs = FormProofs(b"k" * 32)
    proofs.check(proofs.proof("token"), "token")
    for value in ("", "é", proofs.proof("other"), FormProofs(b"x" * 32).proof("token")):
        with pytest.raises(CsrfRefused):
            proofs.check(value, "token")


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/merge-patch+json",
        "application/json-patch+json",
    ],
)
def test_json_of_any_kind_is_json(kind: str) -> None:
    check_media_type(kind)


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "",
        "text/plain",
        "text/json",
        "text/plain; application/json",
        "application/json+x",
        "json",
        "multipart/form-data",
    ],
)
def test_what_a_form_can_send_is_not(kind: str | None) -> None:
    with pytest.raises(CsrfRefused):
        check_media_type(kind)

"""The three people one can be. Their claims are made here and nowhere else (OpenID Connect Core §5.1, §5.4)."""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account. ``about`` is for the chooser only and is never a claim."""

    sub: str
    name: str
    given_name: str
    family_name: str
    email: str
    locale: str
    groups: tuple[str, ...]
    about: str

    @property
    def initials(self) -> str:
        return self.given_name[0] + self.family_name[0]


PEOPLE: dict[str, Person] = {
    person.sub: person
    for person in (
        Person(
            sub="ada",
            name="Ada Lovelace",
            given_name="Ada",
            family_name="Lovelace",
            email="ada@analytical.example",
            locale="en-GB",
            groups=("hub-operators",),
            about="Operator",
        ),
        Person(
            sub="grace",
            name="Grace Hopper",
            given_name="Grace",
            family_name="Hopper",
            email="grace@compiler.example",
            locale="en-US",
            groups=(),
            about="",
        ),
        Person(
            sub="linus",
            name="Linus Torvalds",
            given_name="Linus",
            family_name="Torvalds",
            email="linus@kernel.example",
            locale="fi-FI",
            groups=(),
            about="",
        ),
    )
}


def claims_of(person: Person, scope: Collection[str]) -> dict[str, object]:
    """The claims a client with this scope may have; ``sub`` always."""
    claims: dict[str, object] = {"sub": person.sub}
    if "profile" in scope:
        claims |= {
            "name": person.name,
            "given_name": person.given_name,
            "family_name": person.family_name,
            "locale": person.locale,
        }
    if "email" in scope:
        claims |= {"email": person.email, "email_verified": True}
    if "groups" in scope:
        claims["groups"] = list(person.groups)
    return claims

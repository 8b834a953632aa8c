"""The configured sections: which there are, what a new session holds, and what fits into each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from jsonschema_rs import Draft202012Validator

from hub.core import pointer
from hub.core.access import IDENTITY, Right
from hub.core.json import Json, Object, dumps
from hub.errors import SchemaViolation, TooLarge, UnknownSection

MOST_ERRORS = 20


@dataclass(frozen=True, slots=True)
class Section:
    """One section: the right browsers have on it, its first value, its schema and its largest size."""

    name: str
    browser: Right | None = None
    initial: Json = None
    validator: Draft202012Validator | None = field(default=None, repr=False)
    max_bytes: int | None = None


class Sections:
    """All sections by name. ``identity`` is always there: written by the hub, read by browsers."""

    def __init__(self, sections: Iterable[Section], max_document_bytes: int) -> None:
        self._by_name = {IDENTITY: Section(IDENTITY, browser="read")}
        self._by_name |= {section.name: section for section in sections}
        self.max_document_bytes = max_document_bytes
        self.browser_grants: Mapping[str, Right] = {
            name: section.browser for name, section in self._by_name.items() if section.browser
        }

    def first_document(self, identity: Object) -> Object:
        """The document of a new session."""
        initial = {name: section.initial for name, section in self._by_name.items() if section.initial is not None}
        return initial | {IDENTITY: identity}

    def check_known(self, names: Iterable[str]) -> None:
        """Raise ``UnknownSection`` for names that are not configured."""
        unknown = sorted(name for name in names if name not in self._by_name)
        if unknown:
            raise UnknownSection(
                "Sections are those of the configuration",
                errors=[
                    {"pointer": pointer.join([name])[:200], "message": "no such section"}
                    for name in unknown[:MOST_ERRORS]
                ],
            )

    def check(self, document: Object, touched: Iterable[str]) -> int:
        """Check the sections a commit touched, and the size of it all (returned, in bytes).

        Raises ``SchemaViolation`` or ``TooLarge``.
        """
        for name in sorted(touched):
            if name in document:
                self._check_section(self._by_name[name], document[name])
        size = len(dumps(document))
        if size > self.max_document_bytes:
            raise TooLarge(f"The document would have {size} bytes", limit_bytes=self.max_document_bytes)
        return size

    def _check_section(self, section: Section, value: Json) -> None:
        if section.max_bytes is not None and (size := len(dumps(value))) > section.max_bytes:
            raise TooLarge(
                f"The section {section.name!r} would have {size} bytes",
                limit_bytes=section.max_bytes,
            )
        if section.validator is not None and not section.validator.is_valid(value):
            raise SchemaViolation(
                f"The section {section.name!r} would not fit its schema",
                errors=list(_violations(section, section.validator, value)),
            )


def _violations(section: Section, validator: Draft202012Validator, value: Json) -> Iterator[dict[str, str]]:
    for number, error in enumerate(validator.iter_errors(value)):
        if number == MOST_ERRORS:
            return
        place = [section.name, *(str(token) for token in error.instance_path)]
        yield {"pointer": pointer.join(place), "message": error.message[:300]}

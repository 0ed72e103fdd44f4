"""Read a list of institutions: who the external test set is to come from."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.errors import ManifestError

_SAVE_AS = "save it as plain text in UTF-8, one name a line"


class InstitutionListError(ManifestError):
    """A list of institutions cannot be used; the message begins with its name."""


@dataclass(frozen=True)
class InstitutionList:
    """Names of institutions and where they stand.

    Attributes
    ----------
    file_name
        For messages.
    lines
        Line of each name, in the file's order.
    """

    file_name: str
    lines: dict[str, int]

    def __iter__(self) -> Iterator[str]:
        """Give the names."""
        return iter(self.lines)

    def __len__(self) -> int:
        """Count the names."""
        return len(self.lines)

    def require_known(self, institutions: Collection[str]) -> None:
        """Check that every name is one of the cohort's.

        Parameters
        ----------
        institutions
            Of the included cases.

        Raises
        ------
        InstitutionListError
            The first name without a case, and how many more there are.
        """
        unknown = [name for name in self if name not in institutions]
        if not unknown:
            return
        name = unknown[0]
        by_key = {_key(known): known for known in sorted(institutions)}
        near = difflib.get_close_matches(_key(name), by_key, 1, cutoff=0.8)
        hint = f"did you mean {by_key[near[0]]!r}?" if near else "write it as in the manifest, or remove the line"
        more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        raise InstitutionListError(
            f"{self.file_name} line {self.lines[name]}: no included case is of institution {name!r}; {hint}{more}"
        )


def read_institutions(path: Path) -> InstitutionList:
    """Read the institutions of the external test set.

    Parameters
    ----------
    path
        Text in UTF-8, one name a line, spelt as in the manifest; blank lines are passed over.

    Raises
    ------
    InstitutionListError
        If the file cannot be read, is empty, or states a name twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InstitutionListError(f"{path.name}: cannot be read ({error.strerror}); check its path") from error
    except UnicodeDecodeError as error:
        raise InstitutionListError(f"{path.name}: is not in UTF-8; {_SAVE_AS}") from error
    if "\0" in text or text.startswith("PK\x03\x04"):
        raise InstitutionListError(f"{path.name}: is no text file; {_SAVE_AS}")
    lines: dict[str, int] = {}
    seen: dict[str, int] = {}
    for line, written in enumerate(text.splitlines(), start=1):
        name = _unquoted(written.strip())
        if not name:
            continue
        first = seen.setdefault(_key(name), line)
        if first != line:
            raise InstitutionListError(f"{path.name} line {line}: line {first} has the same institution; remove one")
        lines[name] = line
    if not lines:
        raise InstitutionListError(f"{path.name}: names no institution; write one name a line")
    return InstitutionList(path.name, lines)


def _unquoted(text: str) -> str:
    """Take off the quotation marks that a spreadsheet puts around names with a comma."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1].replace('""', '"').strip()
    return text


def _key(name: str) -> str:
    return "".join(name.split()).casefold()

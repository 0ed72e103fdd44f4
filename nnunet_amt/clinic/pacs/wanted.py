"""What is to be fetched: keys that studies are found by, and whether an answer is what was asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from nnunet_amt.errors import BadInputError

STUDY_KEYS = (
    *("StudyInstanceUID", "AccessionNumber", "PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "StudyID", "StudyDescription", "ReferringPhysicianName"),
)
SERIES_KEYS = ("SeriesInstanceUID", "SeriesDescription", "SeriesNumber")
MODALITIES = ("CT", "RTSTRUCT", "SEG")
_RANGES = ("StudyDate", "StudyTime", "PatientBirthDate")
_DATES = ("StudyDate", "PatientBirthDate")
_DATE = re.compile(r"\d{8}|\d{8}-|-\d{8}|\d{8}-\d{8}", re.ASCII)
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
_IN_ADDRESSES = re.compile(r"(?=.*\w)[\w.-]{1,64}", re.ASCII)
_LONGEST = 324  # three parts of a person's name


@dataclass(frozen=True)
class Query:
    """Studies that are alike in all of these keys, and which of their series.

    Attributes
    ----------
    study, series
        Values by keyword; ``*`` and ``?`` stand for any letters, dates and times may be ranges, ``20260101-20260131``.
    """

    study: Mapping[str, str]
    series: Mapping[str, str] = field(default_factory=dict)


def queries_of(
    *, studies: Sequence[str] = (), accessions: Sequence[str] = (), keys: Sequence[str] = (), listed: Path | None = None
) -> list[Query]:
    """Make the queries of what was given: one a study, an accession number and a line, one of all keys together.

    Parameters
    ----------
    studies, accessions
        StudyInstanceUIDs and accession numbers.
    keys
        ``KEYWORD=VALUE``.
    listed
        A file of lines, each a StudyInstanceUID or ``KEYWORD=VALUE``; empty ones and those after ``#`` do not count.

    Raises
    ------
    BadInputError
        If nothing was given, a key is not known, or would bring everything. Values are not repeated.
    """
    found = [Query({"StudyInstanceUID": _uid(uid, "--study")}) for uid in studies]
    found += [Query({"AccessionNumber": _value(one, "--accession")}) for one in accessions]
    if keys:
        found.append(_together([_key(one, "--query") for one in keys], "--query"))
    if listed is not None:
        found += _in_file(listed)
    if not found:
        raise BadInputError("--study, --accession, --query, --list: give one, what is to be fetched")
    return found


def fits(key: str, asked: str, answered: str) -> bool:
    """Tell whether an answered value is what was asked for; case does not count but in UIDs and numbers."""
    asked, answered = asked.strip(), answered.strip()
    if key in _RANGES and "-" in asked:
        first, _, last = asked.partition("-")
        return bool(answered) and (not first or answered >= first) and (not last or answered[: len(last)] <= last)
    if key.endswith("UID"):
        return asked == answered
    if key == "PatientName":  # groups and parts that are empty may be left out
        answered, asked = answered.partition("=")[0].rstrip("^"), asked.rstrip("^")
    pattern = asked.casefold().replace("[", "[[]")
    return fnmatchcase(answered.casefold(), pattern)


def is_harmless_uid(uid: str) -> bool:
    """Tell whether a UID can stand in the address of a web service without leading elsewhere."""
    return _IN_ADDRESSES.fullmatch(uid) is not None and ".." not in uid


def _in_file(file: Path) -> list[Query]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise BadInputError(f"--list {file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError:
        raise BadInputError(f"--list {file}: is no UTF-8 text") from None
    found = []
    for number, line in enumerate(lines, start=1):
        text, where = line.partition("#")[0].strip(), f"--list {file} line {number}"
        if "=" in text:
            found.append(_together([_key(text, where)], where))
        elif text:
            found.append(Query({"StudyInstanceUID": _uid(text, where)}))
    if not found:
        raise BadInputError(f"--list {file}: holds nothing to fetch; write a StudyInstanceUID or KEY=VALUE a line")
    return found


def _key(text: str, where: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or key not in (*STUDY_KEYS, *SERIES_KEYS):
        advice = "; for the modality there is --modality" if key.startswith("Modalit") else ""
        known = ", ".join((*STUDY_KEYS, *SERIES_KEYS))
        raise BadInputError(f"{where}: write KEY=VALUE, KEY one of {known}{advice}")
    if key in _DATES and not _DATE.fullmatch(value.strip()):
        raise BadInputError(f"{where}: {key} is a date as 20260101, or a range as 20260101-20260131")
    return key, _uid(value, where) if key.endswith("UID") else _value(value, where)


def _together(keys: Sequence[tuple[str, str]], where: str) -> Query:
    names = [key for key, _ in keys]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise BadInputError(f"{where}: {twice} is given twice; for several use --list")
    study = {key: value for key, value in keys if key in STUDY_KEYS}
    if not any(value.strip("*?-") for value in study.values()):
        raise BadInputError(f"{where}: would bring every study of the archive; ask for a study, patient or date")
    return Query(study, {key: value for key, value in keys if key in SERIES_KEYS})


def _uid(text: str, where: str) -> str:
    if not _UID.fullmatch(text.strip()) or len(text.strip()) > 64:
        raise BadInputError(f"{where}: is no UID of a study; it has digits and points, 64 at most")
    return text.strip()


def _value(text: str, where: str) -> str:
    value = text.strip()
    if not value or "\\" in value or not value.isprintable() or len(value) > _LONGEST:
        raise BadInputError(f"{where}: is empty, too long, or has a backslash or signs that cannot be printed")
    return value

"""The institutional split: as the manifest gives it, by a list of hospitals, or drawn in the paper's proportions."""

from __future__ import annotations

import difflib
import hashlib
import logging
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nnunet_amt import paper
from nnunet_amt.base.spreadsheet_text import decoded_table
from nnunet_amt.cohort.case import CohortCase, Split
from nnunet_amt.errors import BadInputError, ManifestError

_SAVE_AS = "save it as plain text in UTF-8, one name a line"


class InstitutionListError(ManifestError):
    """A list of institutions cannot be used; the message begins with its name."""


logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class InstitutionList:
    """Names of institutions and where they stand."""

    file_name: str  # for messages
    lines: dict[str, int]  # line of each name, in the file's order

    def __iter__(self) -> Iterator[str]:
        """Give the names."""
        return iter(self.lines)

    def __len__(self) -> int:
        """Count the names."""
        return len(self.lines)

    def among(self, institutions: Collection[str]) -> InstitutionList:
        """Give those of the names that are among `institutions`."""
        return replace(self, lines={name: line for name, line in self.lines.items() if name in institutions})

    def require_known(self, institutions: Collection[str]) -> None:
        """Check that every name is one of the included cases' institutions.

        Otherwise an InstitutionListError gives the first name without a case, and how many more there are.
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
    """Read the institutions of the external test set: text, one name a line, spelt as in the manifest.

    Blank lines are passed over. Raises InstitutionListError if the file cannot be read, is empty, or states a name
    twice.
    """
    try:
        text = decoded_table(path.read_bytes(), name=path.name)
    except OSError as error:
        raise InstitutionListError(f"{path.name}: cannot be read ({error.strerror}); check its path") from error
    except UnicodeDecodeError as error:
        raise InstitutionListError(f"{path.name}: is not in UTF-8; {_SAVE_AS}") from error
    if "\0" in text or text.startswith("PK\x03\x04"):
        raise InstitutionListError(f"{path.name}: is no text file; {_SAVE_AS}")
    lines: dict[str, int] = {}
    seen: dict[str, int] = {}
    for line, written in enumerate(text.splitlines(), start=1):
        name = written.strip()
        if len(name) > 1 and name[0] == name[-1] == '"':  # a spreadsheet puts them around names with a comma
            name = name[1:-1].replace('""', '"').strip()
        if not name:
            continue
        first = seen.setdefault(_key(name), line)
        if first != line:
            raise InstitutionListError(f"{path.name} line {line}: line {first} has the same institution; remove one")
        lines[name] = line
    if not lines:
        raise InstitutionListError(f"{path.name}: names no institution; write one name a line")
    return InstitutionList(path.name, lines)


def _key(name: str) -> str:
    return "".join(name.split()).casefold()


def assign_splits(
    cases: Sequence[CohortCase],
    *,
    external_institutions: InstitutionList | None = None,
    external_cases: int | None = None,
    tuning_cases: int | None = None,
    seed: int = 711,
) -> tuple[CohortCase, ...]:
    """Put every case into the training, the tuning or the external test set.

    Where the manifest gives the split, it is taken as it stands. Otherwise whole institutions go to the
    external test set: the listed ones; without a list those with the fewest cases first, so that it holds as
    many institutions as possible. Of the rest, patients are drawn at random for tuning, those without a tumour in
    proportion; each set gets a tumour where there are enough. Institutions that share a patient stay together where
    they are not listed.

    Parameters
    ----------
    cases
        Included cases; their order does not matter.
    seed
        Decides between institutions of equal size, and which patients tune.
    external_cases, tuning_cases
        Wanted cases; the nearest possible number is taken. By default the paper's shares: 164 of 711
        external, and 62 of the other 547 for tuning.
    external_institutions
        Institutions of the external test set, of which all cases go there.

    Returns
    -------
    tuple of CohortCase
        In the given order, each with a split.

    Raises
    ------
    ManifestError
        If only some cases have a split, a listed institution has no case, or the cohort is too small to be
        divided.
    BadInputError
        If the split is asked for in two ways, or numbers leave a set empty.
    """
    given = [case for case in cases if case.split is not None]
    if given:
        _check_given(cases, (external_cases, tuning_cases, external_institutions))
        return tuple(cases)
    if external_institutions is not None and external_cases is not None:
        raise BadInputError(
            "a list of external institutions and a number of external cases contradict each other; give one of them"
        )
    if external_institutions is not None:
        external = _listed_institutions(cases, external_institutions)
    else:
        external = _external_institutions(cases, seed, external_cases)
    rest = [case for case in cases if case.institution not in external]
    tuning = _tuning_patients(rest, seed, tuning_cases)

    def split_of(case: CohortCase) -> Split:
        if case.institution in external:
            return "external"
        return "tuning" if case.patient_id in tuning else "training"

    return tuple(replace(case, split=split_of(case)) for case in cases)


def divide_institution(cases: Sequence[CohortCase], institution: str, *, seed: int = 711) -> tuple[CohortCase, ...]:
    """Draw the patients of one institution into training and tuning, as `assign_splits` does with all.

    A patient who is in training or tuning by a case of another institution stays there.

    Parameters
    ----------
    cases
        Included cases of all institutions.
    institution
        The one whose cases are divided; it has none in the external test set afterwards.
    seed
        Decides which patients tune.

    Returns
    -------
    tuple of CohortCase
        Those of the institution, each with a split, in the given order.

    Raises
    ------
    ManifestError
        If the patients that are free to be drawn are fewer than two with a tumour.
    """
    elsewhere = {case.patient_id: case.split for case in cases if case.institution != institution and case.split}
    own = [case for case in cases if case.institution == institution]
    bound = {case.patient_id for case in own if elsewhere.get(case.patient_id) in ("training", "tuning")}
    free = [case for case in own if case.patient_id not in bound]
    if (patients := len({case.patient_id for case in free if not case.no_tumour})) < 2:
        raise ManifestError(
            f"column 'institution': patients of {institution!r} with a tumour who can be drawn: {patients}, two are "
            "needed; put all of it into training or into tuning"
        )
    tuning = _tuning_patients(free, seed, None)

    def split_of(case: CohortCase) -> Split:
        if case.patient_id in bound:
            return "training" if elsewhere[case.patient_id] == "training" else "tuning"
        return "tuning" if case.patient_id in tuning else "training"

    return tuple(replace(case, split=split_of(case)) for case in own)


def _check_given(cases: Sequence[CohortCase], wanted: Sequence[object | None]) -> None:
    for case in cases:
        if case.split is None:
            raise ManifestError(
                f"line {case.line}, column 'split' (case {case.case_id!r}): is empty, "
                "other rows fill it; fill it in every row or in none"
            )
    if any(option is not None for option in wanted):
        raise BadInputError(
            "the manifest's column 'split' gives the split already; remove the column or do not ask for "
            "external institutions or a number of external or tuning cases"
        )


def _listed_institutions(cases: Sequence[CohortCase], listed: InstitutionList) -> set[str]:
    institutions = {case.institution for case in cases}
    listed.require_known(institutions)
    if institutions <= set(listed):
        raise InstitutionListError(
            f"{listed.file_name}: lists every institution of the cohort, none is left for training and tuning; "
            "remove one"
        )
    return set(listed)


def _external_institutions(cases: Sequence[CohortCase], seed: int, wanted: int | None) -> set[str]:
    groups = _institutions_sharing_patients(cases)
    with_tumour = {group for group in groups if any(case.institution in group and not case.no_tumour for case in cases)}
    if len(with_tumour) < 2:
        what = "institution" if len(groups) == len(with_tumour) else "institution with tumours"
        raise ManifestError(
            f"column 'institution': {len(with_tumour)} {what} (or group that shares patients) cannot be "
            "divided into training and external test set; add cases of another institution"
        )
    target = _target(wanted, len(cases), paper.EXTERNAL_CASES / paper.INCLUDED_CASES, "external")
    sizes = {group: sum(case.institution in group for case in cases) for group in groups}
    order = sorted(groups, key=lambda group: (sizes[group], _draw(seed, "institution", min(group))))
    order.remove(next(group for group in reversed(order) if group in with_tumour))  # the largest stays for training
    external: set[str] = set()
    taken = 0
    for group in order:
        if external and abs(taken + sizes[group] - target) >= abs(taken - target):
            break
        external |= group
        taken += sizes[group]
    if not any(group <= external for group in with_tumour):
        external |= next(group for group in order if group in with_tumour)
    if wanted is not None and (taken := sum(case.institution in external for case in cases)) != wanted:
        logger.warning(
            "%d cases were asked for the external test set; whole institutions come nearest with %d", wanted, taken
        )
    return external


def _tuning_patients(cases: Sequence[CohortCase], seed: int, wanted: int | None) -> set[str]:
    with_tumour = {case.patient_id for case in cases if not case.no_tumour}
    sizes: dict[str, int] = defaultdict(int)
    others: dict[str, int] = defaultdict(int)  # of patients of whom no CT shows a tumour
    for case in cases:
        (sizes if case.patient_id in with_tumour else others)[case.patient_id] += 1
    if len(sizes) < 2:
        whose = f"{'one' if len(sizes) == 1 else 'no'} patient{' with a tumour' if others else ''}"
        raise ManifestError(
            f"column 'patient_id': {whose} is left for training and tuning together; "
            "add patients or give the split in a column 'split'"
        )
    share = paper.TUNING_CASES / (paper.TRAINING_CASES + paper.TUNING_CASES)
    target = _target(wanted, len(cases), share, "tuning")
    of_others = round(target * sum(others.values()) / len(cases))
    tuning = _drawn_patients(sizes, target - of_others, seed, most=len(sizes) - 1)  # one stays for training
    tuning = tuning or {min(sizes, key=lambda patient: (sizes[patient], _draw(seed, "patient", patient)))}
    return tuning | _drawn_patients(others, of_others, seed, most=len(others))


def _drawn_patients(sizes: Mapping[str, int], target: int, seed: int, *, most: int) -> set[str]:
    """Draw patients, `most` at most, of no more than `target` cases together; their cases are given by patient."""
    drawn: set[str] = set()
    taken = 0
    for patient in sorted(sizes, key=lambda patient: _draw(seed, "patient", patient)):
        if len(drawn) < most and taken + sizes[patient] <= target:
            drawn.add(patient)
            taken += sizes[patient]
    return drawn


def _target(wanted: int | None, total: int, share: float, split: Split) -> int:
    if wanted is None:
        return max(1, round(total * share))
    if not 1 <= wanted < total:
        raise BadInputError(
            f"{wanted} {split} cases of {total} cannot be taken; ask for a number from 1 to {total - 1}"
        )
    return wanted


def _institutions_sharing_patients(cases: Sequence[CohortCase]) -> list[frozenset[str]]:
    """Join institutions that must not be separated, because a patient was in both."""
    group_of = {case.institution: frozenset([case.institution]) for case in cases}
    first_seen: dict[str, str] = {}
    for case in cases:
        other = first_seen.setdefault(case.patient_id, case.institution)
        joined = group_of[other] | group_of[case.institution]
        for institution in joined:
            group_of[institution] = joined
    return sorted(set(group_of.values()), key=min)


def _draw(seed: int, what: str, name: str) -> bytes:
    """Give a lot that depends on the seed and the name only, not on the rows' order nor on a library."""
    return hashlib.sha256(f"{seed}/{what}/{name}".encode()).digest()

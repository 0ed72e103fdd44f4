"""The split of what can be converted: checked for all cases, drawn without the unreadable, and what moved by it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from nnunet_amt.base.files import read_rows
from nnunet_amt.cohort import (
    SPLITS,
    CohortCase,
    InstitutionList,
    InstitutionListError,
    Split,
    SplitAudit,
    assign_splits,
    audit_splits,
)
from nnunet_amt.dataset_conversion.raw_dataset import RawDataset
from nnunet_amt.errors import BadInputError, ManifestError
from nnunet_amt.writing.numbers import counted

_NAMED_AT_MOST = 5
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SplitRule:
    """How the cases of a manifest are put into sets; see `nnunet_amt.cohort.assign_splits`."""

    manifest_name: str  # for messages
    listed: InstitutionList | None
    external_cases: int | None
    tuning_cases: int | None
    seed: int
    test_only: bool = False  # all cases are external

    def __post_init__(self) -> None:
        """Refuse to draw what is not there: BadInputError."""
        if self.test_only and (self.listed, self.external_cases, self.tuning_cases) != (None, None, None):
            raise BadInputError(
                "--test-only: makes a test set of all cases; leave out --external-institutions, --external-cases and "
                "--tuning-cases"
            )

    @property
    def _needed(self) -> Sequence[Split]:
        return ("external",) if self.test_only else SPLITS

    def of_all(self, cases: Sequence[CohortCase]) -> tuple[tuple[CohortCase, ...], SplitAudit]:
        """Put all cases of the manifest into sets, before a file of them is opened, and check that nothing leaks."""
        with prefixed(f"{self.manifest_name}: "):
            divided = self._assigned(cases, self.listed)
            return divided, audit_splits(divided, needed=self._needed)

    def of_readable(
        self, cases: Sequence[CohortCase], readable: Collection[str], *, listed_in: Path
    ) -> tuple[tuple[CohortCase, ...], SplitAudit]:
        """Put the cases that can be converted into sets: where the split is drawn, it is drawn of these alone.

        Parameters
        ----------
        cases
            All of the manifest, as it gives them.
        readable
            Their case ids.
        listed_in
            File that lists the others.

        Raises
        ------
        BadInputError
            One of its subclasses, if a set is left without a case, or without a tumour: what can be done about it.
        """
        kept = [case for case in cases if case.case_id in readable]
        listed = self.listed and self.listed.among({case.institution for case in kept})
        with prefixed(f"{self.manifest_name}: without the cases that could not be converted, "):
            try:
                divided = self._assigned(kept, listed)
                return divided, audit_splits(divided, needed=self._needed)
            except BadInputError as error:
                raise type(error)(f"{error}; mend those cases ({listed_in} lists them){self._remedy(kept)}") from error

    def _assigned(self, cases: Sequence[CohortCase], listed: InstitutionList | None) -> tuple[CohortCase, ...]:
        if self.test_only:
            other = next((case for case in cases if case.split not in (None, "external")), None)
            if other is not None:
                raise ManifestError(
                    f"line {other.line}, column 'split' (case {other.case_id!r}): is {other.split!r}, with --test-only "
                    "all cases are external; remove the row, or the column if no model has learnt from these cases"
                )
            return tuple(replace(case, split="external") for case in cases)
        return assign_splits(
            cases,
            external_institutions=listed,
            external_cases=self.external_cases,
            tuning_cases=self.tuning_cases,
            seed=self.seed,
        )

    def _remedy(self, kept: Sequence[CohortCase]) -> str:
        """Say what else to type where a set has been emptied."""
        if self.test_only:
            return ""
        if self.listed is not None:
            return f", or write a further institution into {self.listed.file_name}"
        if not is_given(kept):
            return ""
        lost = next((split for split in SPLITS if not _has_tumour(kept, split)), None)
        lines = [] if lost in (None, "external") else _lines_to_give(kept, "training" if lost == "tuning" else "tuning")
        give = f", write {lost} into column 'split' of line {' and of line '.join(map(str, lines))}" if lines else ""
        return f"{give}, or empty column 'split' in every row to have the split drawn"


def is_given(cases: Sequence[CohortCase]) -> bool:
    """Whether the manifest gives the split of the cases."""
    return any(case.split is not None for case in cases)


def _has_tumour(cases: Sequence[CohortCase], split: Split) -> bool:
    return any(case.split == split and not case.no_tumour for case in cases)


def _lines_to_give(cases: Sequence[CohortCase], split: Split) -> list[int]:
    """Find the lines of a patient with a tumour whom a set can spare; of several the one with the fewest lines."""
    lines: dict[str, list[int]] = {}
    for case in cases:
        if case.split == split:
            lines.setdefault(case.patient_id, []).append(case.line)
    sick = {case.patient_id for case in cases if case.split == split and not case.no_tumour}
    return min((lines[patient] for patient in sick), key=lambda own: (len(own), own)) if len(sick) > 1 else []


@contextmanager
def prefixed(before: str) -> Iterator[None]:
    """Put words, such as the manifest's name, before the message of an error in the block."""
    try:
        yield
    except InstitutionListError:
        raise  # it names another file
    except BadInputError as error:
        raise type(error)(f"{before}{error}") from error


@dataclass(frozen=True)
class MovedCase:
    """A case that an earlier run had converted, and that is in another set now."""

    name: str  # of the case in the dataset
    before: str  # a split; imagesTr or imagesTs where that run was not finished
    now: Split

    @property
    def was_finished(self) -> bool:
        """Whether the earlier run ended, so that its dataset may have been used."""
        return self.before in SPLITS

    @property
    def leaks(self) -> bool:
        """Whether a model of the earlier dataset may have learnt from what is to test it now."""
        return self.now == "external"


def earlier_places(dataset: RawDataset, names: Collection[str]) -> dict[str, str]:
    """Say of each case that an earlier run converted in which set it was; of an unfinished run, in which folder."""
    try:
        rows = read_rows(dataset.folder / "cohort.csv")
    except BadInputError:  # no run has ended yet; a damaged file is written anew
        rows = []
    finished = {row["case_id"]: row.get("split", "") for row in rows}
    places = {}
    for name in names:
        folder = dataset.folder_of(name)
        if folder is not None:
            places[name] = finished.get(name) or folder
    return places


def find_moved(earlier: Mapping[str, str], splits: Mapping[str, Split | None]) -> tuple[MovedCase, ...]:
    """Find the cases that are in another set than before; both are by the names of the cases."""
    moved = []
    for name, before in sorted(earlier.items()):
        now = splits.get(name)
        same = {now, "imagesTs" if now == "external" else "imagesTr"}
        if now is not None and before not in same:
            moved.append(MovedCase(name, before, now))
    return tuple(moved)


def moved_cases(earlier: Mapping[str, str], splits: Mapping[str, Split | None]) -> tuple[MovedCase, ...]:
    """Do the same, and warn of them: results of both cannot be compared."""
    moved = find_moved(earlier, splits)
    if moved:
        named = ", ".join(f"{case.name} from {case.before} to {case.now}" for case in moved[:_NAMED_AT_MOST])
        more = f" and {len(moved) - _NAMED_AT_MOST} more" if len(moved) > _NAMED_AT_MOST else ""
        leak = "; train again before you test: an earlier model may know cases of the test set"
        _logger.warning(
            "%s converted before %s in another set now: %s%s%s",
            counted(len(moved), "case"),
            "is" if len(moved) == 1 else "are",
            named,
            more,
            leak if any(case.leaks for case in moved) else "",
        )
    return moved

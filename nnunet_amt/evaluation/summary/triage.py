"""A reader's verdicts on the candidate false positives, and what they change in the counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from nnunet_amt.base.csv_cells import unguarded_cell
from nnunet_amt.base.files import numbered_rows, require_columns, row_texts
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.measure.case import CaseEvaluation
from nnunet_amt.evaluation.measure.lesions import TABLE_THRESHOLDS, threshold_index
from nnunet_amt.evaluation.settings import FalsePositiveRule

CANDIDATE_THRESHOLD = 0.1  # a predicted lesion without a partner at this IoU is put before the reader
TRIAGE_COLUMNS = ("case_id", "lesion", "voxels", "decision", "note")
DECISIONS = ("accept", "dismiss", "undecided")
_ADVICE = "export the decisions from a report on these predictions"

Lesion = tuple[str, int]  # case id, and the number that the predicted lesion has in lesions.csv


@dataclass(frozen=True)
class Verdict:
    """A decision on a lesion of so many voxels, in which line it stands, and what the reader noted."""

    line: int
    voxels: int
    decision: str
    note: str = field(default="", compare=False)


@dataclass(frozen=True)
class Triage:
    """The decisions of a file, and the hash of its bytes."""

    path: Path
    sha256: str
    verdicts: Mapping[Lesion, Verdict]


@dataclass(frozen=True)
class TriageSummary:
    """What a reader decided, and the false positives without that.

    Attributes
    ----------
    file, sha256
        Name and hash of the decisions' file.
    candidates, accepted, dismissed
        Predicted lesions without a partner at `CANDIDATE_THRESHOLD`; those that the reader takes for lesions which the
        reference lacks; those confirmed as false.
    threshold
        IoU thresholds of the next two, those of Table 4.
    fp_without_triage, fp_per_scan_without_triage
        Of all cases, an entry a threshold.
    """

    file: str
    sha256: str
    candidates: int
    accepted: int
    dismissed: int
    threshold: tuple[float, ...]
    fp_without_triage: tuple[int, ...]
    fp_per_scan_without_triage: tuple[float, ...]

    @property
    def undecided(self) -> int:
        """Candidates that nobody decided on."""
        return self.candidates - self.accepted - self.dismissed


def read_triage(path: Path) -> Triage:
    """Read decisions that the report exported: `TRIAGE_COLUMNS`, a row a lesion; notes may be missing.

    Raises
    ------
    BadInputError
        With its line, if the file is no strict CSV, lacks a column, holds an unknown decision or no number where one
        belongs, or decides on a lesion twice in different ways.
    """
    rows = numbered_rows(path, "the CSV file that the report's triage exports")
    _, columns = next(rows, (1, []))
    require_columns(path, columns, required=TRIAGE_COLUMNS[:-1])
    verdicts: dict[Lesion, Verdict] = {}
    for line, cells in rows:
        texts = row_texts(path, line, columns=columns, cells=cells)
        lesion = texts["case_id"], _number(path, line, texts, "lesion")
        voxels, decision = _number(path, line, texts, "voxels"), texts["decision"]
        if decision not in DECISIONS:
            choices = ", ".join(DECISIONS)
            raise BadInputError(f"{path} line {line}, column 'decision': is {decision!r}; choose one of {choices}")
        verdict = Verdict(line, voxels, decision, unguarded_cell(texts.get("note", "")))
        earlier = verdicts.setdefault(lesion, verdict)
        if (earlier.decision, earlier.voxels) != (verdict.decision, verdict.voxels):
            raise BadInputError(
                f"{path} line {line}: lesion {lesion[1]} of case {lesion[0]} stands on line {earlier.line} already, "
                "and not the same; keep one row a lesion"
            )
    return Triage(path, sha256(path.read_bytes()).hexdigest(), verdicts)


def candidates(case: CaseEvaluation) -> tuple[int, ...]:
    """Give the numbers, from 1, of the predicted lesions without a partner at `CANDIDATE_THRESHOLD`."""
    matched = case.lesions.partners[threshold_index(CANDIDATE_THRESHOLD)]
    return tuple(j + 1 for j in range(len(case.counts.prediction_voxels)) if j not in matched)


def apply_triage(
    triage: Triage, cases: Sequence[CaseEvaluation], *, rule: FalsePositiveRule
) -> tuple[tuple[CaseEvaluation, ...], TriageSummary]:
    """Take the accepted lesions out of the false positives.

    An accepted lesion is no false positive at any threshold; it becomes no true positive either, because the reference
    has no outline of it. Dismissed and undecided ones stay false positives. Voxel metrics do not change.

    Raises
    ------
    BadInputError
        With its line, if a decision is on a case or lesion that is not here, on one of another size, or on one that
        has a partner: the file was made for other predictions then.
    """
    _check(triage, cases)
    decided = tuple(_decided(case, triage, rule) for case in cases)
    decisions = [decision for case in decided for decision in (case.triage or {}).values()]
    false = [int(sum(case.lesions.fp[threshold_index(t)] for case in cases)) for t in TABLE_THRESHOLDS]
    return decided, TriageSummary(
        file=triage.path.name,
        sha256=triage.sha256,
        candidates=len(decisions),
        accepted=decisions.count("accept"),
        dismissed=decisions.count("dismiss"),
        threshold=TABLE_THRESHOLDS,
        fp_without_triage=tuple(false),
        fp_per_scan_without_triage=tuple(count / len(cases) for count in false),
    )


def _number(path: Path, line: int, texts: Mapping[str, str], column: str) -> int:
    text = texts[column]
    if not (text.isascii() and text.isdigit() and int(text)):
        raise BadInputError(f"{path} line {line}, column {column!r}: is {text!r}; write a whole number, 1 or more")
    return int(text)


def _check(triage: Triage, cases: Sequence[CaseEvaluation]) -> None:
    by_id = {case.case_id: case for case in cases}
    for (case_id, lesion), verdict in triage.verdicts.items():
        where = f"{triage.path} line {verdict.line}"
        if case_id not in by_id:
            raise BadInputError(f"{where}, column 'case_id': no case {case_id!r} is evaluated here; {_ADVICE}")
        voxels = by_id[case_id].counts.prediction_voxels
        if lesion > len(voxels):
            complaint = f"case {case_id} has {len(voxels)} predicted lesions, and no lesion {lesion}"
        elif voxels[lesion - 1] != verdict.voxels:
            complaint = f"lesion {lesion} of case {case_id} has {voxels[lesion - 1]} voxels, not {verdict.voxels}"
        elif lesion not in candidates(by_id[case_id]):
            complaint = f"lesion {lesion} of case {case_id} has a partner at IoU {CANDIDATE_THRESHOLD:g}"
        else:
            continue
        raise BadInputError(f"{where}: {complaint}: made for other predictions; {_ADVICE}")


def _decided(case: CaseEvaluation, triage: Triage, rule: FalsePositiveRule) -> CaseEvaluation:
    verdicts = {lesion: triage.verdicts.get((case.case_id, lesion)) for lesion in candidates(case)}
    decisions = {lesion: "undecided" if verdict is None else verdict.decision for lesion, verdict in verdicts.items()}
    accepted = np.array([lesion - 1 for lesion, decision in decisions.items() if decision == "accept"], dtype=int)
    if rule == "no_overlap":  # one that touches a reference lesion is no false positive anyway
        accepted = accepted[(case.counts.intersections[:, accepted] == 0).all(axis=0)]
        no_longer_false = np.full_like(case.lesions.fp, len(accepted))
    else:  # at an IoU under `CANDIDATE_THRESHOLD` it may have a partner
        partners = case.lesions.partners  # (thresholds, references)
        no_longer_false = np.array([np.isin(accepted, row, invert=True).sum() for row in partners])
    lesions = replace(case.lesions, fp=case.lesions.fp - no_longer_false)
    return replace(case, lesions=lesions, triage=decisions)

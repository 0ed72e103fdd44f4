"""Take all cases of a cohort through the steps of the conversion, and say what became of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from nnunet_amt.base.files import require_free_space
from nnunet_amt.base.workers import Workers
from nnunet_amt.cohort import CohortCase
from nnunet_amt.cohort.case import place_in_manifest
from nnunet_amt.dataset_conversion.convert_case import (
    CaseJob,
    CaseRecord,
    convert_case,
    finished_record,
    read_headers,
    require_files,
)
from nnunet_amt.dataset_conversion.dataset_files import RefusedCase, list_early, write_messages
from nnunet_amt.dataset_conversion.raw_dataset import RawDataset
from nnunet_amt.dataset_conversion.readable_split import SplitRule
from nnunet_amt.errors import AMTError, SplitLeakageError

# int16 voxels of a CT compress to about 0.6 of their size; the mask adds next to nothing.
_BYTES_PER_VOXEL = 2 * 0.7

Result = TypeVar("Result")


@dataclass
class Outcome:
    """What became of the cases: records by the manifest's case id, and refused ones."""

    records: dict[str, CaseRecord]
    already_done: int
    refused: list[RefusedCase] = field(default_factory=list)

    def divide(self, work: Sequence[CaseJob], results: Sequence[Result | AMTError]) -> list[tuple[CaseJob, Result]]:
        """Give the cases that have a result; add the others to those refused."""
        good: list[tuple[CaseJob, Result]] = []
        for job, result in zip(work, results, strict=True):
            if isinstance(result, AMTError):
                place = place_in_manifest(job.manifest_name, job.case.line, "image", job.case.case_id)
                self.refused.append(RefusedCase.of(job.case, job.name, place, result))
            else:
                good.append((job, result))
        return good


def convert_cases(
    dataset: RawDataset,
    work: Sequence[CaseJob],
    workers: Workers,
    refused_file: Path,
    rule: SplitRule | None,
    cases: Sequence[CohortCase],
) -> Outcome:
    """Look for all files, read the headers of cases that are not done, check what all together tell, convert them.

    By `rule`, where unreadable cases are to be left out, the split is drawn of those of `cases` whose headers are good.
    """
    records = {job.case.case_id: record for job in work if (record := finished_record(job))}
    outcome = Outcome(records, already_done=len(records))
    to_do = [job for job in work if job.case.case_id not in records]
    found = outcome.divide(to_do, workers.each(require_files, to_do, "looking for files"))
    list_early(refused_file, outcome.refused, going_on=len(found))
    missing = len(outcome.refused)
    to_do = [job for job, _ in found]
    opened = outcome.divide(to_do, workers.each(read_headers, to_do, "checking headers"))
    identities = {case_id: record.source for case_id, record in records.items()}
    identities |= {job.case.case_id: headers.identity for job, headers in opened}
    _refuse_twins(work, identities)
    if len(outcome.refused) > missing:
        list_early(refused_file, outcome.refused, going_on=len(opened))
    readable = {job.case.case_id for job, _ in opened} | records.keys()
    if rule is not None and outcome.refused and readable:
        write_messages(refused_file, outcome.refused)
        divided, _ = rule.of_readable(cases, readable, listed_in=refused_file)
        work = _placed(work, divided)
    placed = {job.case.case_id: job for job in work}
    if opened:
        needed = sum(headers.voxels for _, headers in opened) * _BYTES_PER_VOXEL
        require_free_space(dataset.folder, int(needed), f"the conversion of {len(opened)} cases")
    dataset.begin({job.name: job.case.split for job in work})
    to_do = [replace(placed[job.case.case_id], opened=headers) for job, headers in opened]
    written = outcome.divide(to_do, workers.each(convert_case, to_do, "converting cases"))
    records |= {job.case.case_id: record for job, record in written}
    outcome.refused.sort(key=lambda refused: refused.case.line)
    return outcome


def _refuse_twins(work: Sequence[CaseJob], identities: Mapping[str, str]) -> None:
    """Refuse one file or series under two case ids, before hours are spent on reading its voxels."""
    first_cases: dict[str, CohortCase] = {}
    for job in work:
        case = job.case
        first = first_cases.setdefault(identities.get(case.case_id, case.case_id), case)
        if first is not case:
            place = place_in_manifest(job.manifest_name, case.line, "image", case.case_id)
            raise SplitLeakageError(
                f"{place}: is the same CT as that of case {first.case_id!r} in line {first.line}; remove one of them"
            )


def _placed(work: Sequence[CaseJob], divided: Sequence[CohortCase]) -> list[CaseJob]:
    """Give jobs the splits of the cases; one that is not among these keeps its own."""
    splits = {case.case_id: case.split for case in divided}
    cases = (replace(job.case, split=splits.get(job.case.case_id, job.case.split)) for job in work)
    return [replace(job, case=case) for job, case in zip(work, cases, strict=True)]

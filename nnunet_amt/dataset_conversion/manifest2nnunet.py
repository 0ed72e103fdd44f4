"""From a manifest of CTs and masks to nnU-Net's raw format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

from nnunet_amt.cohort import CohortCase, SplitAudit, assign_splits, audit_splits, read_manifest
from nnunet_amt.cohort.case import place_in_manifest
from nnunet_amt.dataset_conversion.case_record import CaseRecord, digest, finished_record
from nnunet_amt.dataset_conversion.case_source import CaseSource
from nnunet_amt.dataset_conversion.convert_case import CaseJob, check_case, convert_case
from nnunet_amt.dataset_conversion.dataset_files import write_dataset_files
from nnunet_amt.dataset_conversion.raw_dataset import RawDataset
from nnunet_amt.dataset_conversion.workers import Workers
from nnunet_amt.errors import AMTError, BadInputError, SplitLeakageError
from nnunet_amt.files import require_free_space
from nnunet_amt.progress import Progress, silent

__all__ = ["ConversionSummary", "convert"]

# int16 voxels of a CT compress to about 0.6 of their size; the mask adds next to nothing.
_BYTES_PER_VOXEL = 2 * 0.7


@dataclass(frozen=True)
class ConversionSummary:
    """What a conversion did.

    Attributes
    ----------
    dataset_folder
        For example ``nnUNet_raw/Dataset711_AMT``.
    audit
        Cases, patients and institutions in each split.
    excluded
        Excluded cases by reason.
    converted, already_done
        Cases that this run wrote, and that an earlier run had.
    """

    dataset_folder: Path
    audit: SplitAudit
    excluded: dict[str, int]
    converted: int
    already_done: int


def convert(
    manifest: Path,
    raw_folder: Path,
    dataset_id: int,
    name: str = "AMT",
    seed: int = 711,
    jobs: int = 1,
    external_cases: int | None = None,
    tuning_cases: int | None = None,
    report: Progress = silent,
) -> ConversionSummary:
    """Convert a cohort to nnU-Net's raw format, with the institutional split.

    All checks that need no voxels come before anything is written. A case that an earlier run has finished is taken
    as it is, if neither its files nor the settings have changed since.

    Parameters
    ----------
    manifest
        CSV file; see `nnunet_amt.cohort.read_manifest`.
    raw_folder
        nnUNet_raw; made if it is missing.
    dataset_id, name
        The dataset becomes ``Dataset<id>_<name>``.
    seed, external_cases, tuning_cases
        See `nnunet_amt.cohort.assign_splits`.
    jobs
        Cases worked on at once; memory grows with it.
    report
        Told of the progress.

    Returns
    -------
    ConversionSummary
        Where the dataset is, and what is in it.

    Raises
    ------
    BadInputError
        One of its subclasses: the first problem, and how many more there are.
    WorkFailedError
        If a worker process was killed.
    """
    dataset = RawDataset.at(raw_folder, dataset_id, name)
    cohort = read_manifest(manifest)
    with _naming(manifest):
        cases = assign_splits(cohort.cases, seed, external_cases, tuning_cases)
        audit = audit_splits(cases)
    dataset.require_usable(cases)
    records = {case.case_id: record for case in cases if (record := finished_record(dataset, case))}
    to_do = [CaseJob(case, dataset, manifest.name) for case in cases if case.case_id not in records]
    with Workers(min(jobs, len(to_do)), report) as workers:
        sources = _raise_first(workers.each(check_case, to_do, "checking headers", go_on=True))
        _check_as_a_whole(cases, records, to_do, sources, manifest.name)
        dataset.begin(cases)
        to_do = [replace(job, source=source) for job, source in zip(to_do, sources, strict=True)]
        written = _raise_first(workers.each(convert_case, to_do, "converting cases"))
    records |= {job.case.case_id: record for job, record in zip(to_do, written, strict=True)}
    _refuse_twins(cases, {case_id: record.pixels for case_id, record in records.items()}, manifest.name)
    write_dataset_files(dataset, cases, records, cohort.excluded_by_reason)
    return ConversionSummary(dataset.folder, audit, cohort.excluded_by_reason, len(to_do), len(cases) - len(to_do))


def _check_as_a_whole(
    cases: Sequence[CohortCase],
    records: dict[str, CaseRecord],
    to_do: Sequence[CaseJob],
    sources: Sequence[CaseSource],
    manifest_name: str,
) -> None:
    """Check what only the headers of all cases together can tell: CTs given twice, and the space they need."""
    identities = {case_id: record.source for case_id, record in records.items()}
    for job, source in zip(to_do, sources, strict=True):
        identities[job.case.case_id] = digest(source.image.identity)
    _refuse_twins(cases, identities, manifest_name)
    voxels = sum(prod(source.image.geometry.size) for source in sources)
    if to_do:
        what = f"the conversion of {len(to_do)} cases"
        require_free_space(to_do[0].dataset.folder, int(voxels * _BYTES_PER_VOXEL), what)


def _refuse_twins(cases: Sequence[CohortCase], contents: dict[str, str], manifest_name: str) -> None:
    """Refuse two cases of the same content: they would count twice, or leak between the splits."""
    first_cases: dict[str, CohortCase] = {}
    for case in cases:
        first = first_cases.setdefault(contents[case.case_id], case)
        if first is not case:
            place = place_in_manifest(manifest_name, case.line, "image", case.case_id)
            raise SplitLeakageError(
                f"{place}: is the same CT as that of case {first.case_id!r} in line {first.line}; remove one of them"
            )


def _raise_first(results: Sequence[object]) -> list:
    """Give the results; if there are errors among them, raise the first and say how many more there are."""
    errors = [result for result in results if isinstance(result, AMTError)]
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise type(errors[0])(f"{errors[0]}{more}") from errors[0]
    return list(results)


@contextmanager
def _naming(manifest: Path) -> Iterator[None]:
    """Put the manifest's name before the message of an error in the block."""
    try:
        yield
    except BadInputError as error:
        raise type(error)(f"{manifest.name}: {error}") from error

"""From a manifest of CTs and masks to nnU-Net's raw format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RunInput, recorded_run
from nnunet_amt.base.workers import open_workers
from nnunet_amt.cohort import CohortCase, SplitAudit, audit_voxels, read_institutions, read_manifest
from nnunet_amt.dataset_conversion.convert_case import CaseJob, CaseRecord
from nnunet_amt.dataset_conversion.convert_cases import Outcome, convert_cases
from nnunet_amt.dataset_conversion.dataset_files import (
    CasesRefusedError,
    DatasetContent,
    RefusedCase,
    write_dataset_files,
    write_messages,
    write_reasons,
)
from nnunet_amt.dataset_conversion.pseudonyms import DatasetNames, default_key_file, name_for_dataset
from nnunet_amt.dataset_conversion.public.public_cohort import read_notes
from nnunet_amt.dataset_conversion.raw_dataset import RawDataset
from nnunet_amt.dataset_conversion.readable_split import (
    MovedCase,
    SplitRule,
    earlier_places,
    is_given,
    moved_cases,
    prefixed,
)
from nnunet_amt.dataset_conversion.training_list import TrainingList
from nnunet_amt.images.image_file import ReadingOptions, itk_warnings_off

# Of what the dataset's record keeps the hashes; the images would take minutes.
_RECORDED_FILES = ("cohort.csv", "exclusions.csv", "failures.csv", "audit.json", "splits_final.json", "dataset.json")


@dataclass(frozen=True)
class ConversionSettings:
    """Settings that decide what the dataset holds.

    Attributes
    ----------
    seed
        Of the tuning split, of the choice between institutions of equal size, and of the pseudonyms' order.
    external_cases, tuning_cases
        See `nnunet_amt.cohort.assign_splits`.
    external_institutions
        File with one institution a line, of which all cases go to the external test set.
    exclude_unreadable
        Count cases that cannot be converted as excluded, in place of an unfinished dataset. A split that the manifest
        does not give is drawn of the others then.
    key_file
        Where the pseudonyms' key and the records' secret are kept; beside the manifest by default.
    keep_case_ids
        Name the cases and institutions as in the manifest, where these are pseudonyms already; the key file
        holds the patients' codes and the records' secret only.
    p_values
        Put p-values into Table 1.
    test_only
        All cases make an external test set, for a model that was trained elsewhere: there is nothing to train on.
    """

    seed: int = 711
    external_cases: int | None = None
    tuning_cases: int | None = None
    external_institutions: Path | None = None
    reading: ReadingOptions = field(default_factory=ReadingOptions)
    exclude_unreadable: bool = False
    key_file: Path | None = None
    keep_case_ids: bool = False
    p_values: bool = False
    test_only: bool = False


@dataclass(frozen=True)
class ConversionSummary:
    """What a conversion did."""

    dataset_folder: Path  # for example ``nnUNet_raw/Dataset711_AMT``
    audit: SplitAudit
    excluded: dict[str, int]  # by reason
    converted: int  # cases that this run wrote
    already_done: int  # cases that an earlier run had written
    refused: tuple[RefusedCase, ...]  # that could not be converted and were excluded for it
    interpolated: dict[str, int]  # of cases, by their names in the dataset: slices of the mask that nobody has drawn
    files: tuple[Path, ...]  # written beside the images, and the key
    split_drawn_without: int = 0  # refused cases that a drawn split would have had
    moved: tuple[MovedCase, ...] = ()  # cases of an earlier run that are in another set now
    checks: tuple[str, ...] = ()  # what was checked, in words


def convert(
    manifest: Path,
    raw_folder: Path,
    *,
    dataset_id: int,
    dataset_name: str = "AMT",
    settings: ConversionSettings | None = None,
    trained_on: TrainingList | None = None,
    jobs: int = 1,
    executor: str | None = None,
    progress: Progress = silent,
) -> ConversionSummary:
    """Convert a cohort to nnU-Net's raw format, with the institutional split.

    The manifest and its split are checked before anything is written. A case that an earlier run has finished is
    taken as it is, if neither its files nor the settings have changed since. One that cannot be converted stops
    no other.

    Parameters
    ----------
    manifest
        CSV file; see `nnunet_amt.cohort.read_manifest`. Notes beside it, see `read_notes`, go into ``dataset.json``.
    raw_folder
        nnUNet_raw; made if it is missing.
    dataset_id, dataset_name
        The dataset becomes ``Dataset<id>_<name>``.
    settings
        The defaults if None.
    trained_on
        What the model has learnt from that a test set alone is for: none of it may be in the manifest.
    jobs, executor
        Processes, or a cluster as ``dask://HOST:PORT``; the dataset is the same, byte for byte. Memory grows with
        the number of cases under way.
    progress
        Called after every case of a step.

    Raises
    ------
    BadInputError
        One of its subclasses: something is wrong with the manifest, the split or the place to write to.
    CasesRefusedError
        If cases could not be converted and are not to be excluded for it: the first, and where all of them stand.
    """
    settings = settings or ConversionSettings()
    # of files only whether they were given
    recorded = asdict(settings) | {"external_institutions": settings.external_institutions is not None}
    dataset = RawDataset.at(raw_folder.absolute(), dataset_id=dataset_id, dataset_name=dataset_name)
    with recorded_run(
        dataset.folder,
        "convert",
        settings={name: value for name, value in recorded.items() if name not in ("seed", "key_file")},
        seed=settings.seed,
        inputs={"manifest": RunInput(manifest, path_recorded=False)},
        outputs=_RECORDED_FILES,
        files_named=False,  # the dataset is passed on; its manifest and key are not, nor what they are called
    ) as notes:
        summary = _convert(manifest, dataset, settings, trained_on, jobs, executor, progress)
        by_split: dict[str, int] = {split.split: split.cases for split in summary.audit.splits}
        notes.counts.update({"cases": sum(by_split.values()), **by_split})
        notes.counts.update({"excluded": sum(summary.excluded.values()), "converted": summary.converted})
        further = {
            "without_tumour": summary.audit.without_tumour,
            "split_drawn_without": summary.split_drawn_without,
            "moved": len(summary.moved),
            "interpolated_slices": sum(summary.interpolated.values()),
        }
        notes.counts.update({what: number for what, number in further.items() if number})
    return summary


def _most_frequent_first(reasons: Counter[str]) -> dict[str, int]:
    return dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


def _convert(
    manifest: Path,
    dataset: RawDataset,
    settings: ConversionSettings,
    trained_on: TrainingList | None,
    jobs: int,
    executor: str | None,
    progress: Progress,
) -> ConversionSummary:
    cohort, notes = read_manifest(manifest), read_notes(manifest)
    rule = split_rule(manifest, settings)
    cases, audit = rule.of_all(cohort.cases)
    key_file = settings.key_file or default_key_file(manifest)
    names = name_for_dataset(cases, key_file, dataset.folder, keep_case_ids=settings.keep_case_ids, seed=settings.seed)
    dataset.require_usable(test_only=settings.test_only)
    earlier = earlier_places(dataset, names.cases.values())
    work = _jobs(manifest.name, dataset, cases, names, settings.reading)
    refused_file = names.key_file.with_name(f"{manifest.stem}_failures.csv")
    processes = min(jobs, len(work))
    with itk_warnings_off(), open_workers(jobs=processes, executor=executor, progress=progress) as workers:
        outcome = convert_cases(
            dataset, work, workers, refused_file, rule if settings.exclude_unreadable else None, cohort.cases
        )
    if trained_on is not None:
        _remove_learnt(dataset, names, outcome.records, cases, trained_on, nobody_writes=executor is not None)
    _require_unlike(manifest.name, outcome.records, cases, trained_on)
    _write_refused(dataset, refused_file, outcome, settings)
    if outcome.refused:
        cases, audit = rule.of_readable(cohort.cases, outcome.records.keys(), listed_in=refused_file)
    splits = {names.cases[case.case_id]: case.split for case in cases}
    dataset.keep_only(splits, nobody_writes=executor is not None)
    moved = moved_cases(earlier, splits)
    excluded = _most_frequent_first(Counter(cohort.excluded_by_reason) + Counter(one.reason for one in outcome.refused))
    content = DatasetContent(
        cases=names.in_dataset(cases),
        records={names.cases[case_id]: record for case_id, record in outcome.records.items()},
        audit=audit.coded(names.institutions),
        excluded=excluded,
        p_values=settings.p_values,
        notes=notes,
        split_drawn_without=0 if is_given(cohort.cases) else len(outcome.refused),
        moved=[case for case in moved if case.was_finished],
        test_only=settings.test_only,
        compared_with_training=0 if trained_on is None else len(trained_on.pixels),
    )
    files = write_dataset_files(dataset, content)
    return ConversionSummary(
        dataset_folder=dataset.folder,
        audit=audit,
        excluded=excluded,
        converted=len(outcome.records) - outcome.already_done,
        already_done=outcome.already_done,
        refused=tuple(outcome.refused),
        interpolated=content.interpolated,
        files=(*files, names.key_file),
        split_drawn_without=content.split_drawn_without,
        moved=moved,
        checks=content.checks,
    )


def _jobs(
    manifest_name: str,
    dataset: RawDataset,
    cases: Sequence[CohortCase],
    names: DatasetNames,
    reading: ReadingOptions,
) -> list[CaseJob]:
    """Say of every case what is to be done; workers may be in other folders."""
    work = []
    for case in cases:
        masks = [mask and mask.absolute() for mask in (case.mask, case.mask_2)]
        absolute = replace(case, image=case.image.absolute(), mask=masks[0], mask_2=masks[1])
        work.append(CaseJob(absolute, names.cases[case.case_id], dataset, manifest_name, names.secret, reading))
    return work


def _remove_learnt(
    dataset: RawDataset,
    names: DatasetNames,
    records: Mapping[str, CaseRecord],
    cases: Sequence[CohortCase],
    trained_on: TrainingList,
    *,
    nobody_writes: bool,
) -> None:
    """Take CTs that a model was trained on out of the dataset again, so that nobody predicts them."""
    known = {*trained_on.known_of(records)}
    if known:
        others = {names.cases[case.case_id]: case.split for case in cases if case.case_id not in known}
        dataset.keep_only(others, nobody_writes=nobody_writes)


def _require_unlike(
    manifest_name: str,
    records: Mapping[str, CaseRecord],
    cases: Sequence[CohortCase],
    trained_on: TrainingList | None,
) -> None:
    """Refuse CTs that stand under two cases, as a whole or in part, see `audit_voxels`, or were trained on."""
    pixels = {case_id: record.pixels for case_id, record in records.items()}
    with prefixed(f"{manifest_name}: "):
        audit_voxels(pixels, cases, slices={case_id: record.slices for case_id, record in records.items()})
    if trained_on is not None:
        trained_on.require_none_of(records, cases, manifest_name)


def split_rule(manifest: Path, settings: ConversionSettings) -> SplitRule:
    """Tell how the conversion puts the cases of a manifest into sets.

    Raises
    ------
    BadInputError
        If the list of external institutions cannot be used.
    """
    listed = read_institutions(settings.external_institutions) if settings.external_institutions else None
    return SplitRule(
        manifest.name, listed, settings.external_cases, settings.tuning_cases, settings.seed, settings.test_only
    )


def _write_refused(dataset: RawDataset, refused_file: Path, outcome: Outcome, settings: ConversionSettings) -> None:
    """List refused cases, in the dataset in words that name nobody; an error if they are not to be left out."""
    write_reasons(dataset.folder / "failures.csv", outcome.refused)
    write_messages(refused_file, outcome.refused)
    if outcome.refused and not (settings.exclude_unreadable and outcome.records):
        raise CasesRefusedError(outcome.refused, converted=len(outcome.records), listed_in=refused_file)

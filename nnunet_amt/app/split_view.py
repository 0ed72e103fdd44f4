"""What the page of the split shows: how the conversion would divide the table as it is, and what that means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from nnunet_amt.app.case_table import CaseTable
from nnunet_amt.app.split_board import InstitutionCard, institution_cards, spelt_alike
from nnunet_amt.base.files import read_rows
from nnunet_amt.cohort.case import CohortCase
from nnunet_amt.cohort.manifest import Manifest
from nnunet_amt.cohort.set_counts import SetCounts, counts_by_set
from nnunet_amt.cohort.split import InstitutionList
from nnunet_amt.cohort.split_findings import SplitFinding, split_findings
from nnunet_amt.dataset_conversion import ConversionSettings, RawDataset
from nnunet_amt.dataset_conversion.former_conversion import FormerConversion, read_former_conversion
from nnunet_amt.dataset_conversion.manifest2nnunet import split_rule
from nnunet_amt.dataset_conversion.planned_cohort import PlannedCohort, planned_cohort
from nnunet_amt.dataset_conversion.pseudonyms import default_key_file
from nnunet_amt.dataset_conversion.public.public_cohort import read_notes
from nnunet_amt.dataset_conversion.readable_split import MovedCase, SplitRule, is_given
from nnunet_amt.dataset_conversion.training_list import training_list
from nnunet_amt.errors import BadInputError, SplitLeakageError
from nnunet_amt.evaluation.subjects import PATIENTS
from nnunet_amt.evaluation.summary.clusters import FEWEST_CLUSTERS
from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.study.settings import StudyFolders, StudySettings
from nnunet_amt.study.stages import conversion_settings

# Settings of a study that ask for a split to be drawn, which a table that gives it contradicts.
DRAWING_SETTINGS = ("external_cases", "tuning_cases", "external_institutions")
Proposal = Literal["program", "rest"]


@dataclass(frozen=True)
class SplitState:
    """The split of a study's table.

    Attributes
    ----------
    cards
        The institutions.
    table_cases
        The rows without a problem, as the table has them, each institution spelt in one way.
    unsound
        Rows that take part and have a problem, and so are not among them.
    is_given
        Whether a row that takes part names a split.
    planned
        The cases as the conversion divides them; where it would refuse that, as the table has them.
    refusal
        The conversion's line where it would refuse the split; else empty.
    findings
        What is wrong or weak in it.
    contradicting
        Settings of the study that contradict a split that the table gives.
    """

    cards: Sequence[InstitutionCard]
    table_cases: tuple[CohortCase, ...]
    unsound: int
    is_given: bool
    planned: tuple[CohortCase, ...]
    refusal: str
    findings: tuple[SplitFinding, ...]
    contradicting: tuple[str, ...]

    @property
    def counts(self) -> dict[str, SetCounts]:
        """What is in each set, and in all."""
        return counts_by_set(self.planned)

    @property
    def by_institution(self) -> dict[str, Counter[str]]:
        """Cases of each institution by set, by name."""
        counts: dict[str, Counter[str]] = {}
        for case in self.planned:
            counts.setdefault(case.institution, Counter())[case.split or ""] += 1
        return dict(sorted(counts.items()))

    @property
    def is_refused(self) -> bool:
        """Whether the conversion would stop for the split."""
        return bool(self.refusal or any(finding.is_refused for finding in self.findings))


def split_state(table: CaseTable, study: Path, settings: StudySettings, *, opened: Path) -> SplitState:
    """Find out how the conversion would divide the table as it is; nothing outside of the `opened` folder is read."""
    cards = institution_cards(table)
    cases = spelt_alike(table.cases, cards)
    given = is_given(cases)
    chosen = conversion_settings(study, settings)
    contradicting = tuple(name for name in DRAWING_SETTINGS if given and getattr(chosen, name) is not None)
    planned, refusal = _planned(table.path, cases, chosen, opened, given=given)
    findings = split_findings(planned, fewest_cases=FEWEST_CASES, fewest_institutions=FEWEST_CLUSTERS)
    told = any(finding.is_refused for finding in findings)  # in the reader's language
    unsound = sum(len(card.lines) for card in cards) - len(cases)
    return SplitState(cards, cases, unsound, given, planned, "" if told else refusal, findings, contradicting)


def _planned(
    manifest: Path, cases: tuple[CohortCase, ...], chosen: ConversionSettings, opened: Path, *, given: bool
) -> tuple[tuple[CohortCase, ...], str]:
    if not cases:
        return cases, ""
    try:
        if given:
            rule = SplitRule(manifest.name, None, None, None, chosen.seed)
        else:
            rule = _rule_of_study(manifest, chosen, opened)
        return rule.of_all(cases)[0], ""
    except BadInputError as error:
        return cases, str(error)


def _rule_of_study(manifest: Path, chosen: ConversionSettings, opened: Path) -> SplitRule:
    listed = chosen.external_institutions
    if listed is not None and not listed.resolve().is_relative_to(opened.resolve()):
        raise BadInputError(f"{listed.name}: lies outside the opened folder; copy the list of institutions into it")
    return split_rule(manifest, chosen)


def proposed(
    state: SplitState, proposal: Proposal, *, manifest: Path, chosen: ConversionSettings, opened: Path
) -> SplitState:
    """Give the state with a split that the program draws.

    Parameters
    ----------
    proposal
        ``program``: as the conversion divides a table without a split. ``rest``: the institutions of the external test
        set stay there, and tuning patients are drawn of all others.

    Raises
    ------
    BadInputError
        If a row has a problem, or the cohort cannot be divided so.
    """
    if state.unsound:
        raise BadInputError(
            f"{state.unsound} rows have a problem, and a split is drawn of all cases together; mend them on the page "
            "Cases first"
        )
    bare = tuple(replace(case, split=None) for case in state.table_cases)
    if proposal == "program":
        rule = _rule_of_study(manifest, chosen, opened)
    else:
        external = {card.name: card.line for card in state.cards if card.place == "external"}
        if not external:
            raise BadInputError("no institution is in the external test set; move one there, or let the program choose")
        listed = InstitutionList(manifest.name, external)
        rule = SplitRule(manifest.name, listed, None, chosen.tuning_cases, chosen.seed)
    planned = rule.of_all(bare)[0]
    findings = split_findings(planned, fewest_cases=FEWEST_CASES, fewest_institutions=FEWEST_CLUSTERS)
    return replace(state, planned=planned, findings=findings, refusal="")


def prints_of(table: CaseTable, state: SplitState, settings: StudySettings) -> PlannedCohort | None:
    """Lay out Fig. 2 and Tables 1 and 2 of a state as the conversion will; None where it would refuse the split."""
    if state.is_refused or not state.planned:
        return None
    excluded = Manifest(table.path, table.cases, table.excluded).excluded_by_reason
    return planned_cohort(
        state.planned, excluded, p_values=settings.convert.table1_p_values, published=are_patients(table.path)
    )


def are_patients(manifest: Path) -> bool:
    """Whether the cases are patients, by the notes beside the manifest: the paper's stand beside patients only."""
    return (read_notes(manifest).get("subjects", "").strip().casefold() or PATIENTS) == PATIENTS


@dataclass(frozen=True)
class FormerState:
    """What an earlier run of the study means for the split as it is now.

    Attributes
    ----------
    is_converted, is_trained
        Whether CTs were converted, and a model has begun to learn.
    moved, leaks
        Cases that are in another set than when they were converted, and those that the model has learnt from and is to
        be tested on now.
    compared
        CTs that were held against each other, voxel for voxel.
    equal
        The line that tells of two that are the same, or empty.
    lesions
        Reference lesions of evaluated cases, by the manifest's case id.
    model_folder
        Where the model is, below the study.
    """

    is_converted: bool
    is_trained: bool
    moved: int
    leaks: int
    compared: int
    equal: str
    lesions: Mapping[str, int]
    model_folder: Path


def former_state(
    table: CaseTable, state: SplitState, study: Path, settings: StudySettings, opened: Path
) -> FormerState:
    """Look what earlier runs have left; nothing outside of the `opened` folder is read."""
    at = StudyFolders.of(study, settings)
    former = _former_conversion(table, state, at, conversion_settings(study, settings), opened)
    trained = any(at.fold_folder.glob("checkpoint_*.pth"))
    model_folder = at.fold_folder.relative_to(study)
    if former is None:
        return FormerState(at.raw.is_dir(), trained, 0, 0, 0, "", {}, model_folder)
    moved = former.moved(state.planned)
    compared, equal = 0, ""
    try:
        compared = former.require_unlike(state.planned)
    except SplitLeakageError as error:
        equal = str(error)
    leaks = _known_to_the_model(at, state.planned, former, moved) if trained else 0
    lesions = _evaluated_lesions(at.evaluation, former.names)
    return FormerState(True, trained, len(moved), leaks, compared, equal, lesions, model_folder)


def _former_conversion(
    table: CaseTable, state: SplitState, at: StudyFolders, chosen: ConversionSettings, opened: Path
) -> FormerConversion | None:
    key_file = chosen.key_file or default_key_file(table.path)
    if not key_file.resolve().is_relative_to(opened.resolve()):
        return None
    try:
        return read_former_conversion(
            RawDataset(at.raw), state.table_cases, key_file=key_file, keep_case_ids=chosen.keep_case_ids
        )
    except BadInputError:  # a damaged key: the conversion tells it, nothing is known here
        return None


def _known_to_the_model(
    at: StudyFolders, cases: Sequence[CohortCase], former: FormerConversion, moved: Sequence[MovedCase]
) -> int:
    """Count the external cases that the model has learnt from, by its own list of CTs, or else by what has moved."""
    learnt = training_list([at.fold_folder.parent], [])
    if learnt is None:
        return sum(case.leaks for case in moved)
    return sum(case.split == "external" and former.pixels.get(case.case_id) in learnt.pixels for case in cases)


def _evaluated_lesions(evaluation: Path, names: Mapping[str, str]) -> dict[str, int]:
    try:
        rows = read_rows(evaluation / "cases.csv", "reference_lesions")
    except BadInputError:
        return {}
    of_name = {row["case_id"]: row["reference_lesions"] for row in rows}
    return {id_: int(of_name[name]) for id_, name in names.items() if of_name.get(name, "").isdecimal()}

"""What a comparison finds, before it is written in any form: models, differences, tests and subgroups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_amt.evaluation.comparison.costs import ModelCost
from nnunet_amt.evaluation.comparison.measures import (
    MEASURES,
    TABLE_MEASURES,
    CaseVerdict,
    Estimate,
    Measure,
    PairedTest,
    Ratios,
    Verdict,
    case_verdicts,
    corrected,
    difference_ratios,
    estimates,
    paired_tests,
    ratios,
)
from nnunet_amt.evaluation.results.read_results import EvaluatedModel
from nnunet_amt.evaluation.settings import ComparisonSettings
from nnunet_amt.evaluation.summary.cohort_groups import CohortGroup
from nnunet_amt.evaluation.summary.subgroups import SIZE_CLASSES, tumour_group
from nnunet_amt.statistics.intervals import several_each

_FIRST_GROUP = "manufacturer"  # stands before the tumour size in the paper
_PLACES_IN_TABLE = np.array([MEASURES.index(measure) for measure in TABLE_MEASURES])


@dataclass(frozen=True, eq=False)
class ModelResult:
    """One model by itself: its evaluation, one value a measure of `MEASURES`, and what it costs."""

    model: EvaluatedModel
    values: tuple[Estimate, ...]
    cost: ModelCost

    @property
    def name(self) -> str:
        """What the model is called."""
        return self.model.name

    def value(self, metric: str, iou_threshold: float | None = None) -> Estimate:
        """Look up a measure."""
        return self.values[MEASURES.index(Measure(metric, iou_threshold))]


@dataclass(frozen=True)
class SubgroupDifference:
    """Differences in the cases in which a property (group) has some value (subgroup): one a measure of the tables."""

    group: str
    subgroup: str
    cases: int
    differences: tuple[Estimate, ...]


@dataclass(frozen=True, eq=False)
class ModelComparison:
    """Another model against the first; every difference is the other's value minus the first's.

    There is one of `differences` a measure of `MEASURES`, and one of `verdicts` a case; `tests` are corrected for all
    tests of the comparison; `subgroups` stand group by group.
    """

    other: EvaluatedModel
    differences: tuple[Estimate, ...]
    tests: tuple[PairedTest, ...]
    verdicts: tuple[CaseVerdict, ...]
    subgroups: tuple[SubgroupDifference, ...]

    @property
    def name(self) -> str:
        """What the other model is called."""
        return self.other.name

    def difference(self, metric: str, iou_threshold: float | None = None) -> Estimate:
        """Look up a measure."""
        return self.differences[MEASURES.index(Measure(metric, iou_threshold))]

    @property
    def disagrees(self) -> PairedTest | None:
        """The test of the Dice, where its mean is better by one model, and a typical case by the other."""
        test, mean = self.test("dice"), self.difference("dice").value
        if test is None or mean is None or test.shift is None:
            return None
        return test if round(mean, 3) * round(test.shift, 3) < 0 else None

    def test(self, metric: str, iou_threshold: float | None = None) -> PairedTest | None:
        """Look up a test; None if the measure is not tested."""
        wanted = (metric, iou_threshold)
        return next((test for test in self.tests if (test.metric, test.iou_threshold) == wanted), None)

    @property
    def tally(self) -> Mapping[Verdict, int]:
        """Cases by verdict."""
        return Counter(case.verdict for case in self.verdicts)


@dataclass(frozen=True, eq=False)
class Comparison:
    """All models as they were given, and each other one against the first.

    `clusters` is the number of patients or institutions that resamples were drawn from; None if cases were drawn, or if
    there are as many as cases, which is the same.
    """

    settings: ComparisonSettings
    results: tuple[ModelResult, ...]
    others: tuple[ModelComparison, ...]
    clusters: int | None = None

    @property
    def first(self) -> EvaluatedModel:
        """The model that the others are compared with."""
        return self.results[0].model

    @property
    def cases(self) -> int:
        """Number of cases."""
        return len(self.first.case_ids)

    @property
    def lesions(self) -> int:
        """Number of reference lesions."""
        return len(self.first.lesions)

    @property
    def secondary_tests(self) -> int:
        """Number of tests beside those of the primary endpoint, which Holm's correction is for."""
        tests = (test for other in self.others for test in other.tests if test.endpoint != self.settings.primary)
        return sum(test.p is not None for test in tests)


def compare_models(
    models: Sequence[EvaluatedModel],
    costs: Sequence[ModelCost],
    *,
    groups: Sequence[CohortGroup],
    clusters: Mapping[str, str] | None,
    settings: ComparisonSettings,
) -> Comparison:
    """Estimate, test and count the differences of each other model from the first, on the same cases.

    `groups` are what is known of the cases, for the subgroups; `clusters` the patients or institutions of the cases,
    where they are drawn instead of cases.
    """
    first, *others = models
    differences = [difference_ratios(first, other) for other in others]
    joint = None if clusters is None else several_each([clusters[case_id] for case_id in first.case_ids])
    values = estimates([*map(ratios, models), *differences], settings=settings, clusters=joint)
    subgroups = _subgroup_differences(first, differences, groups, None if joint is None else clusters, settings)
    compared = zip(
        others,
        values[len(models) :],
        corrected(
            [paired_tests(first, other, settings=settings, clusters=joint) for other in others],
            primary=settings.primary,
        ),
        [case_verdicts(first, other, tie_margin=settings.tie_margin) for other in others],
        subgroups,
        strict=True,
    )
    return Comparison(
        settings=settings,
        results=tuple(map(ModelResult, models, values, costs)),
        others=tuple(ModelComparison(*parts) for parts in compared),
        clusters=None if joint is None else len(set(joint)),
    )


def _subgroup_differences(
    first: EvaluatedModel,
    differences: Sequence[Ratios],
    groups: Sequence[CohortGroup],
    clusters: Mapping[str, str] | None,
    settings: ComparisonSettings,
) -> list[tuple[SubgroupDifference, ...]]:
    """Resample the differences of each other model within each subgroup; those of a group stand together."""
    sizes = CohortGroup("tumour_size", dict(zip(first.case_ids, first.tumour_size, strict=True)), SIZE_CLASSES)
    before = [group for group in groups if group.name == _FIRST_GROUP]
    after = [group for group in groups if group.name != _FIRST_GROUP]
    found: list[list[SubgroupDifference]] = [[] for _ in differences]
    tumours = tumour_group(dict(zip(first.case_ids, first.references.tolist(), strict=True)))
    for group in (*tumours, *before, sizes, *after):
        for name in group.order:
            places = [i for i, case_id in enumerate(first.case_ids) if group.subgroup_of[case_id] == name]
            if not places:
                continue
            columns = [part.of(np.array(places), _PLACES_IN_TABLE) for part in differences]
            joint = None if clusters is None else [clusters[first.case_ids[i]] for i in places]
            for rows, values in zip(found, estimates(columns, settings=settings, clusters=joint), strict=True):
                rows.append(SubgroupDifference(group.name, name, len(places), values))
    return [tuple(rows) for rows in found]

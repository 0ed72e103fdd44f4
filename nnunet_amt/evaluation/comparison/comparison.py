"""What a comparison found, before it is written in any form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from nnunet_amt.evaluation.comparison.costs import ModelCost
from nnunet_amt.evaluation.comparison.measures import MEASURES, Estimate, Measure
from nnunet_amt.evaluation.comparison.paired_tests import PairedTest
from nnunet_amt.evaluation.comparison.settings import ComparisonSettings
from nnunet_amt.evaluation.comparison.verdicts import CaseVerdict, Verdict
from nnunet_amt.evaluation.results.evaluated_model import EvaluatedModel


@dataclass(frozen=True, eq=False)
class ModelResult:
    """One model by itself.

    Attributes
    ----------
    model
        Its evaluation.
    values
        One a measure of `MEASURES`.
    cost
        What it costs.
    """

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
    """Differences in some of the cases.

    Attributes
    ----------
    group, subgroup
        The property and its value.
    cases
        Their number.
    differences
        One a measure of `TABLE_MEASURES`.
    """

    group: str
    subgroup: str
    cases: int
    differences: tuple[Estimate, ...]


@dataclass(frozen=True, eq=False)
class ModelComparison:
    """Another model against the first; every difference is the other's value minus the first's.

    Attributes
    ----------
    other
        The model.
    differences
        One a measure of `MEASURES`.
    tests
        Corrected for all tests of the comparison.
    verdicts
        One a case.
    subgroups
        Group by group.
    """

    other: EvaluatedModel
    differences: tuple[Estimate, ...]
    tests: tuple[PairedTest, ...]
    verdicts: tuple[CaseVerdict, ...]
    subgroups: tuple[SubgroupDifference, ...]

    def difference(self, metric: str, iou_threshold: float | None = None) -> Estimate:
        """Look up a measure."""
        return self.differences[MEASURES.index(Measure(metric, iou_threshold))]

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
    """All models, and each other one against the first.

    Attributes
    ----------
    settings
        Of the comparison.
    results
        The models as they were given.
    others
        All but the first of them.
    clusters
        Institutions that resamples were drawn from; None if cases were drawn.
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
    def tests(self) -> int:
        """Number of tests that Holm's correction is for."""
        return sum(test.p is not None for other in self.others for test in other.tests)

"""Readers that are simulated at the published AUCs, for phantoms; and how many a planned study takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nnunet_amt.risk.evaluation.published import the_paper
from nnunet_amt.risk.reading.reader_file import ReaderTable
from nnunet_amt.risk.reading.reader_question import RISK_QUESTION, ReaderQuestion
from nnunet_amt.statistics.reader_planning import PlannedStudy, plan_study, simulate_readings
from nnunet_amt.statistics.reader_table import Reading
from nnunet_amt.statistics.readers import VarianceComponents

_AIDED = "AI-assisted "
READERS_PLANNED = (4, 6, 8, 10, 15, 20)


def published_aucs() -> dict[str, tuple[float, float]]:
    """Give the AUC of each reader of the paper's Table 3, without and with AI."""
    aucs = {row.row: float(row.rates["auc"].value.value) for row in the_paper().tables.rates if row.table == "Table 3"}
    return {name: (value, aucs[_AIDED + name]) for name, value in aucs.items() if _AIDED + name in aucs}


def simulate_readers(
    high: Mapping[str, bool],
    *,
    seed: int = 0,
    levels: int | None = 2,
    aucs: Mapping[str, tuple[float, float]] | None = None,
    question: ReaderQuestion = RISK_QUESTION,
) -> ReaderTable:
    """Simulate a paper's readers on other cases (Roe and Metz 1997), each at the published AUC.

    Parameters
    ----------
    high
        Of each case, whether it is high risk.
    seed, levels
        See `simulate_readings`; by default they say yes and no, as the paper's.
    aucs
        Of each reader without and with help; those of `published_aucs` if None. The first word of a name is the level.
    question
        That they answer.
    """
    aucs = published_aucs() if aucs is None else aucs
    drawn = simulate_readings(high, aucs, seed=seed, levels=levels, conditions=question.conditions)
    rows = tuple(
        Reading(reader, condition, case_id, float(drawn.ratings[of_condition, of_reader, of_case]))
        for of_reader, reader in enumerate(drawn.readers)
        for of_condition, condition in enumerate(drawn.conditions)
        for of_case, case_id in enumerate(drawn.cases)
    )
    return ReaderTable(rows, {reader: reader.partition(" ")[0].lower() for reader in aucs})


def plan_readers(
    components: VarianceComponents,
    *,
    difference: float,
    readers: Sequence[int] = READERS_PLANNED,
    power: float = 0.8,
    random_readers: bool = True,
) -> tuple[PlannedStudy, ...]:
    """Give the fewest cases of a planned study for several numbers of readers; see `plan_study`.

    Parameters
    ----------
    components
        Of a study of like readers and cases: `ReaderAnalysis.study.components`, or `read_components` of its folder.
    difference
        Of the mean AUCs, that is to be found.
    readers
        Numbers of them.
    power, random_readers
        See `plan_study`.

    Raises
    ------
    BadInputError
        See `plan_study`.
    """
    return tuple(
        plan_study(components, difference=difference, readers=number, power=power, random_readers=random_readers)
        for number in readers
    )

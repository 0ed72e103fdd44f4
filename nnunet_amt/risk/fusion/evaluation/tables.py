"""Tables of the models of a task: Table 3 in the paper's form, each training, each class, confusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.risk.evaluation.subgroups import FEWEST_OF_CLASS
from nnunet_amt.risk.fusion.evaluation.lesion_scores import SPLIT_TITLES
from nnunet_amt.risk.fusion.evaluation.multiclass import TOP
from nnunet_amt.risk.fusion.evaluation.performance import AREA_TITLES, MAIN_AREA, RATE_TITLES, Area, LesionPerformance
from nnunet_amt.risk.fusion.evaluation.published_models import published_models, published_note
from nnunet_amt.risk.fusion.lesion_case import LesionSplit, Task
from nnunet_amt.statistics.rates import Rate
from nnunet_amt.writing.numbers import UNDEFINED, counted, joined, value_text
from nnunet_amt.writing.table import Row, Table

# Of Table 3, and of its counterpart for many classes, in the order of the paper
COLUMNS: Mapping[Task, tuple[str, ...]] = {
    "binary": ("auc", "sensitivity", "specificity", "accuracy", "ppv", "npv"),
    "multiclass": ("macro", "weighted", "one_vs_one", "top_1", "top_3", "malignant_as_benign"),
}
_TITLES: Mapping[Task, str] = {
    "binary": "Table 3: benign or malignant, at Youden's threshold of the tuning cases",
    "multiclass": "Classes of lesions, in the form of Table 3",
}
_TUNED: Mapping[Task, str] = {
    "binary": "Training was stopped, and the threshold chosen, by the tuning cases",
    "multiclass": "Training was stopped by the tuning cases",
}


def model_table(
    performances: Sequence[LesionPerformance], task: Task, *, frequent: Mapping[LesionSplit, Mapping[str, Rate]]
) -> Table:
    """Lay out Table 3: every model's ensemble in each split, the paper's row beside ours.

    Parameters
    ----------
    frequent
        Of many classes: what `most_frequent` gives for each split.
    """
    columns, rows = COLUMNS[task], list[Row]()
    for split, of_split in by_split(performances).items():
        rows.append(Row(SPLIT_TITLES[split], kind="group"))
        for one in of_split:
            rows.append(Row(one.title, (cases_text(one), *_cells(one, columns))))
            published = published_models(one.model, split, task, _paper_columns(columns))
            rows += [Row(row.title, (UNDEFINED, *row.cells), row.kind) for row in published]
        if split in frequent:
            rates = frequent[split]
            shown = (rate_text(rates[name]) if name in rates else UNDEFINED for name in columns)
            rows.append(Row("Most frequent classes of training", (str(of_split[0].cases), *shown)))
    titles = (AREA_TITLES.get(name, RATE_TITLES.get(name, name)) for name in columns)
    notes = (*(_binary_notes() if task == "binary" else _class_notes(performances)), _tuned(task), published_note())
    return Table(_TITLES[task], "Model", ("Cases", *titles), tuple(rows), notes)


def seed_table(performances: Sequence[LesionPerformance], task: Task) -> Table | None:
    """Lay out the area of each training, its mean and range, and that of the ensemble; None where all have one."""
    several = [one for one in performances if len(one.area_of_seed) > 1]
    if not several:
        return None
    seeds = sorted({seed for one in several for seed in one.area_of_seed})
    rows: list[Row] = []
    for split, of_split in by_split(several).items():
        rows.append(Row(SPLIT_TITLES[split], kind="group"))
        for one in of_split:
            known = [value for value in one.area_of_seed.values() if value is not None]
            each = (value_text(one.area_of_seed.get(seed)) for seed in seeds)
            whole = f"{sum(known) / len(known):.3f} ({min(known):.3f}–{max(known):.3f})" if known else UNDEFINED
            rows.append(Row(one.title, (*each, whole, value_text(one.areas[MAIN_AREA[task]].value))))
    columns = (*(f"Seed {seed}" for seed in seeds), "Mean (range)", "Ensemble")
    return Table(
        f"{AREA_TITLES[MAIN_AREA[task]]} of each training",
        "Model",
        columns,
        tuple(rows),
        (
            "The ensemble is the mean of the probabilities of all trainings of a model; every other table, and every "
            "test, is of it. No training is chosen by its result.",
        ),
    )


def class_table(performances: Sequence[LesionPerformance]) -> Table:
    """Lay out each class of the models given, in their split: its AUC against the rest, and how often it is named."""
    rows: list[Row] = []
    for one in performances:
        rows.append(Row(f"{one.title}, {SPLIT_TITLES[one.split].lower()}", kind="group"))
        rows += [
            Row(each.name, (str(each.cases), area_text(each.area), rate_text(each.top_1), rate_text(each.top_3)))
            for each in one.of_class
            if each.cases
        ]
    return Table(
        "Each class",
        "Class",
        ("Cases", "AUC against the rest", "Named first", f"Among the first {TOP}"),
        tuple(rows),
        (
            f"The AUC is withheld of classes with fewer than {FEWEST_OF_CLASS} cases. Its interval is DeLong's (with "
            "several cases of a patient a bootstrap over patients), of rates it is Wilson's. Classes without a case "
            "are left out.",
        ),
    )


def confusion_table(one: LesionPerformance, classes: Sequence[str]) -> Table | None:
    """Lay out what the lesions of each class were called; None without a threshold."""
    if one.matrix is None:
        return None
    shown = [place for place in range(len(classes)) if one.matrix[place].any() or one.matrix[:, place].any()]
    rows = tuple(Row(classes[place], tuple(str(one.matrix[place, other]) for other in shown)) for place in shown)
    return Table(
        f"What the {SPLIT_TITLES[one.split].lower()} were called: {one.title}",
        "Pathology",
        tuple(classes[place] for place in shown),
        rows,
        ("Rows are the pathology, columns what the ensemble calls it; classes that occur in neither are left out.",),
    )


def by_split(performances: Sequence[LesionPerformance]) -> dict[LesionSplit, list[LesionPerformance]]:
    """Sort by split, in their order."""
    found: dict[LesionSplit, list[LesionPerformance]] = {}
    for one in performances:
        found.setdefault(one.split, []).append(one)
    return found


def cases_text(one: LesionPerformance) -> str:
    """Write how many cases there are of either kind."""
    return f"{one.cases} ({one.benign} benign, {one.malignant} malignant)"


def area_text(area: Area) -> str:
    """Write an area with its interval."""
    return value_text(area.value, area.interval)


def rate_text(rate: Rate) -> str:
    """Write a rate with Wilson's interval."""
    return value_text(rate.value, rate.interval)


def judged_names(one: LesionPerformance) -> tuple[list[str], list[str]]:
    """Name the classes that the means are over, and those that have cases, but too few."""
    there = [each for each in one.of_class if each.cases]
    judged = [f"{each.name} ({each.cases})" for each in there if each.judged]
    return judged, [f"{each.name} ({each.cases})" for each in there if not each.judged]


def _cells(one: LesionPerformance, columns: Sequence[str]) -> list[str]:
    cells = []
    for name in columns:
        if name in one.areas:
            cells.append(area_text(one.areas[name]))
        else:
            cells.append(rate_text(one.rates[name]) if name in one.rates else UNDEFINED)
    return cells


def _paper_columns(columns: Sequence[str]) -> list[str]:
    """Name the paper's AUC of many classes, of which it does not say how it is a mean, where ours stands first."""
    return ["auc" if name == MAIN_AREA["multiclass"] else name for name in columns]


def _binary_notes() -> tuple[str, ...]:
    return (
        "Positive is malignant. The interval of the AUC is DeLong's, or a bootstrap over patients where some have "
        f"several cases; it is withheld under {FEWEST_CASES} cases and where it has no width. Rates have Wilson's.",
    )


def _tuned(task: Task) -> str:
    return (
        f"{_TUNED[task]}, so figures of these are a little too good; those of the external cases are not. Training "
        "cases are not judged."
    )


def _class_notes(performances: Sequence[LesionPerformance]) -> list[str]:
    notes = []
    for split, of_split in by_split(performances).items():
        judged, few = judged_names(max(of_split, key=lambda one: one.cases))
        which = SPLIT_TITLES[split].lower()
        if len(judged) < 2:
            notes.append(
                f"Fewer than two classes have {FEWEST_OF_CLASS} or more {which}, so there is no mean over classes."
            )
        else:
            notes.append(
                f"The AUCs of the {which} are means over the {counted(len(judged), 'class', 'classes')} with "
                f"{FEWEST_OF_CLASS} or more: {joined(judged)}."
            )
        if few:
            notes.append(f"Too few {which} to be judged, but among the rest: {joined(few)}.")
    notes.append(
        "AUCs have a bootstrap over patients (95%, percentiles), which is withheld under "
        f"{FEWEST_CASES} cases; rates have Wilson's interval and are of all classes. Macro: each class against the "
        "rest, plain mean; weighted: by cases; one against one: each pair of classes (Hand and Till)."
    )
    return notes

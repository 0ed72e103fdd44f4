"""Answers about the sets: who is in which, what keeps them apart, and how many there are."""

from __future__ import annotations

from nnunet_amt.report.checklists.data_answers import CONVERT, excluded_in_words
from nnunet_amt.report.checklists.item import Answer, answered, authors, partly
from nnunet_amt.report.checklists.wording import column_in_words, counted, joined, metric_in_words, sets_in_words
from nnunet_amt.study.facts.facts import DatasetFacts, SetFacts, StudyFacts

EVALUATE = "The study folder holds no evaluation of `nnunet_amt evaluate`."


def assignment(facts: StudyFacts) -> Answer:
    """Say which set is how large; who drew it the files do not say (CLAIM 19, TRIPOD+AI 12a)."""
    data = facts.dataset
    seed = f", seed {data.seed}" if data is not None and data.seed is not None else ""
    add = (
        f"whether the split was laid down in the table of cases or drawn by `nnunet_amt convert`{seed} (which holds "
        "the institutions with the fewest cases out as the external test set and draws the tuning cases patient by "
        "patient)."
    )
    if data is None or not data.sets:
        return authors(
            f"say how cases were assigned to the sets and in what proportions, and {add}", CONVERT, "#cohort"
        )
    uses = (
        " The model was fitted to the training set and chosen by the tuning set; the external test set had no part in "
        "either."
        if facts.model and facts.model.is_amt_recipe
        else ""
    )
    return partly(f"{_sets(data)}{uses}", add, "#cohort")


def disjointness(facts: StudyFacts) -> Answer:
    """Say at which level the sets are apart (CLAIM 20)."""
    data = facts.dataset
    if data is None or not data.sets:
        return authors("say at which level (image, patient, institution) the sets share nothing.", CONVERT, "#cohort")
    shared = (
        f"training and tuning share {counted(data.shared_institutions, 'institution')}"
        if data.shared_institutions
        else "nor do training and tuning share one"
    )
    voxels = (
        f" No two of the {data.compared_voxels:,} CTs are the same, voxel for voxel." if data.compared_voxels else ""
    )
    return answered(
        "Institution and patient, by the table of cases: no institution of the external test set gave a case to "
        f"training or tuning; {shared}. No patient is in two sets.{voxels} The conversion checks this and stops at a "
        "breach.",
        "#cohort",
    )


def sample_size(facts: StudyFacts) -> Answer:
    """Say what was tested and how precise it came out; a calculation only the authors have (CLAIM 21, TRIPOD+AI 10)."""
    add = (
        "how large the sets were meant to be and why, with the calculation if there was one; otherwise that all "
        "available cases were taken."
    )
    if facts.evaluation is None:
        return authors(f"say {add}", EVALUATE, "#results")
    overall = facts.evaluation.summary.overall
    return partly(
        f"{counted(overall.cases, 'case')} with {counted(overall.lesion.references, 'reference lesion')} were "
        "evaluated; how precise that is, the interval of the mean Dice says: "
        f"{metric_in_words(overall.voxel['dice'])}.",
        add,
        "#results",
    )


def flow(facts: StudyFacts) -> Answer:
    """Count from the table of cases to the sets (CLAIM 35, TRIPOD+AI 20a)."""
    data = facts.dataset
    add = "how many were found before the table of cases was written, and why those were left out."
    if data is None or not data.sets or data.total is None:
        return authors(
            f"give the numbers of included and excluded cases in a flow diagram, and {add}", CONVERT, "#cohort"
        )
    text = f"{excluded_in_words(data)} {_sets(data)} The flow diagram shows them.{_with_tumour(facts)}".strip()
    return answered(text, "#cohort") if facts.synthetic else partly(text, add, "#cohort")


def characteristics(facts: StudyFacts) -> Answer:
    """Point to Table 1 and say how complete it is (CLAIM 36, TRIPOD+AI 20b)."""
    data = facts.dataset
    add = "what else marks these patients, such as symptoms, stage and treatment."
    described = _described(data)
    if data is None or not described or not data.table_1:
        return authors(
            f"describe the cases of each set by age, sex and diagnosis, and {add}", _no_table(data), "#cohort"
        )
    text = f"Table 1 describes each set, with the published totals beside them; {described}."
    if facts.synthetic:
        return answered(f"{text} These are labels of phantoms.", "#cohort")
    return partly(text, add, "#cohort")


def set_comparison(facts: StudyFacts) -> Answer:
    """Say where the sets stand beside each other (TRIPOD+AI 20c)."""
    data = facts.dataset
    described = _described(data)
    if data is None or not data.sets or not described or not data.table_1:
        return authors("compare the cases of the test set with those of the training set.", _no_table(data), "#cohort")
    return answered(
        f"Table 1 has training, tuning and external test set side by side; {described}.",
        "#cohort",
    )


def set_differences(facts: StudyFacts) -> Answer:
    """Say in what training and test data differ (TRIPOD+AI 16)."""
    data = facts.dataset
    add = "how training and test data differ in setting, in who could be included and in how tumours were outlined."
    if data is None or not data.sets:
        return authors(f"say {add}", CONVERT, "#cohort")
    table = " Table 1 has the sets side by side." if data.table_1 else ""
    text = (
        f"The external test set is of {counted(data.sets['external'].institutions, 'institution')} that gave no case "
        f"to training or tuning.{table} All CTs went through the same conversion."
    )
    return answered(text, "#cohort") if facts.synthetic else partly(text, add, "#cohort")


def analysed_numbers(facts: StudyFacts) -> Answer:
    """Say how many cases and lesions each analysis rests on (TRIPOD+AI 21)."""
    sets = f"{_sets(facts.dataset)} " if facts.dataset and facts.dataset.sets else ""
    if facts.evaluation is None:
        return authors("give the number of cases and lesions behind each result.", f"{sets}{EVALUATE}", "#results")
    overall = facts.evaluation.summary.overall
    text = (
        f"{sets}Evaluated: {counted(overall.cases, 'case')} with "
        f"{counted(overall.lesion.references, 'reference lesion')}{_by_set(facts)}; Tables 3 and 4 give the cases of "
        "each subgroup."
    )
    if not sets:
        return partly(text, "how many cases the model was trained and chosen on.", "#results")
    return answered(text, "#results")


def _by_set(facts: StudyFacts) -> str:
    if facts.evaluation is None or not facts.evaluation.cases_by_set:
        return ""
    return f" ({sets_in_words(facts.evaluation.cases_by_set)})"


def _with_tumour(facts: StudyFacts) -> str:
    if facts.evaluation is None or facts.evaluation.without_tumour is None:
        return ""
    cases, without = facts.evaluation.summary.overall.cases, facts.evaluation.without_tumour
    if not without:
        return (
            f" All {counted(cases, 'evaluated case')} hold a tumour."
            if cases > 1
            else " The evaluated case holds a tumour."
        )
    return f" Of {counted(cases, 'evaluated case')}, {without:,} hold no tumour."


def _sets(data: DatasetFacts | None) -> str:
    if data is None:
        return ""

    def patients(part: SetFacts) -> str:
        return "" if part.patients == part.cases else f"{counted(part.patients, 'patient')}, "

    names = {"training": "training", "tuning": "tuning", "external": "external test"}
    parts = [
        f"{names[name]} {counted(part.cases, 'case')} ({patients(part)}{counted(part.institutions, 'institution')})"
        for name, part in data.sets.items()
    ]
    return f"Sets: {joined(parts)}."


def _no_table(data: DatasetFacts | None) -> str:
    if data is None or data.table_1:
        return CONVERT
    return "The dataset has no Table 1; `nnunet_amt convert` with the same options writes it."


def _described(data: DatasetFacts | None) -> str:
    if data is None:
        return ""
    columns = [column for column in ("age", "sex", "histology") if data.known.get(column)]
    if not columns:
        return ""
    known = ", ".join(f"{column_in_words(column)} {data.known[column]:,}" for column in columns)
    return f"known of {counted(data.cases, 'case')}: {known}"

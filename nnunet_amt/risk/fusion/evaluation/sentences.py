"""What may be said of an evaluation of lesions, in sentences that stay true when they are quoted alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.risk.evaluation.subgroups import FEWEST_OF_CLASS
from nnunet_amt.risk.fusion.evaluation.comparison import (
    CONTROL,
    OF_LEVELS,
    AreaDifference,
    RateDifference,
    difference_of,
)
from nnunet_amt.risk.fusion.evaluation.ctc_shift import ctc_shift_sentences
from nnunet_amt.risk.fusion.evaluation.ctc_value import NestedCtc
from nnunet_amt.risk.fusion.evaluation.lesion_scores import SPLIT_TITLES
from nnunet_amt.risk.fusion.evaluation.multiclass import TOP
from nnunet_amt.risk.fusion.evaluation.performance import AREA_WORDS, MAIN_AREA, RATE_TITLES, LesionPerformance
from nnunet_amt.risk.fusion.evaluation.tables import judged_names
from nnunet_amt.risk.fusion.fusion_settings import CLINICAL_CTC, DMFN, REGNET
from nnunet_amt.risk.fusion.lesion_case import LesionSplit
from nnunet_amt.statistics.rates import Rate
from nnunet_amt.statistics.tests import SIGNIFICANT_P
from nnunet_amt.writing.numbers import counted, difference_words, interval_words, joined, short_p_text, value_text

if TYPE_CHECKING:
    from nnunet_amt.risk.fusion.evaluation.evaluate_lesions import LesionEvaluation


def lesion_sentences(evaluation: LesionEvaluation) -> tuple[str, ...]:
    """Say how good the DMFN is on the external cases, whether better than its rivals, and what CTC has to do with it.

    Where there is no external case it is said of the tuning cases, by that name.
    """
    found = [_cases_sentence(evaluation)]
    split = evaluation.scores.last_split
    ours = {one.model: one for one in evaluation.performances if one.split == split}
    if DMFN in ours:
        found.append(_area_sentence(evaluation, ours[DMFN]))
    if REGNET in ours:
        found.append(_area_sentence(evaluation, ours[REGNET]))
    for comparison in evaluation.comparisons:
        if comparison.split == split:
            if comparison.area is not None:
                found.append(_difference_sentence(evaluation, comparison.area, "the monomodal network"))
            found += [_rate_sentence(rate, split) for rate in comparison.rates]
    if split in evaluation.frequent:
        found.append(_frequent_sentence(evaluation, split))
    found += _baseline_sentences(evaluation, split)
    found += _gain_sentences(evaluation, split)
    found += [_nested_sentence(one) for one in evaluation.nested if one.split == split]
    found.append(_level_sentence(evaluation))
    found += ctc_shift_sentences(evaluation.cohort, evaluation.shifts)
    return tuple(found)


def _cases_sentence(evaluation: LesionEvaluation) -> str:
    cohort, parts = evaluation.cohort, []
    for split, title in SPLIT_TITLES.items():
        cases = [case for case in cohort.of_split(split) if case.class_of(evaluation.task) is not None]
        malignant = sum(case.malignant for case in cases)
        if cases:
            parts.append(f"{len(cases)} {title.lower()} ({len(cases) - malignant} benign, {malignant} malignant)")
    left_out = sum(map(len, cohort.left_out.values()))
    without = f"; {counted(left_out, 'case')} of the dataset left out" if left_out else ""
    return f"{joined(parts)} take part{without}."


def _area_sentence(evaluation: LesionEvaluation, one: LesionPerformance) -> str:
    title, area = AREA_WORDS[evaluation.task], one.areas[MAIN_AREA[evaluation.task]]
    where = f"{one.cases} {SPLIT_TITLES[one.split].lower()}"
    name = "DMFN (CT, CTC and clinical data)" if one.model == DMFN else "monomodal network (the same, of CT alone)"
    if area.value is None:
        why = (
            "a class is missing"
            if evaluation.task == "binary"
            else (f"fewer than two classes have {FEWEST_OF_CLASS} of them")
        )
        return f"On {where} there is no {title} of the {name}: {why}."
    interval = "no interval" if area.interval is None else f"95% CI {area.interval[0]:.3f} to {area.interval[1]:.3f}"
    known = [value for value in one.area_of_seed.values() if value is not None]
    seeds = f"; its {len(known)} trainings alone {min(known):.3f} to {max(known):.3f}" if len(known) > 1 else ""
    over = f" over {len(judged_names(one)[0])} classes" if evaluation.task == "multiclass" else ""
    return f"On {where} the {title}{over} of the {name} is {area.value:.3f} ({interval}{seeds})."


def _difference_sentence(evaluation: LesionEvaluation, one: AreaDifference, other: str) -> str:
    title, difference = AREA_WORDS[evaluation.task], one.difference
    words = difference_words(difference.difference, "lower", "higher", "no other")
    where = f"Among {one.cases} {SPLIT_TITLES[one.split].lower()}"
    if difference.p is None:
        few = f"; {one.cases} cases are too few to tell whether it is better" if one.cases < FEWEST_CASES else ""
        return f"{where} the DMFN's {title} is {words} than that of {other}{few}."
    interval = interval_words(difference.interval, "lower", "higher")
    p_values = f"p {_p(difference.p)}, corrected by Holm {_p(one.p_holm)}"
    return f"{where} the DMFN's {title} is {words} than that of {other} ({interval}; {p_values}): {_verdict(one)}."


def _rate_sentence(one: RateDifference, split: str) -> str:
    if not one.cases:
        return f"No {split} case counts for {RATE_TITLES[one.rate].lower()}."
    verdict = "no difference is shown" if one.p_holm is None or one.p_holm >= SIGNIFICANT_P else "they differ"
    return (
        f"{RATE_TITLES[one.rate]} of the DMFN is {_of(Rate(one.k, one.cases))}, of the monomodal network "
        f"{_of(Rate(one.other_k, one.cases))} (McNemar p {_p(one.p)}, corrected by Holm {_p(one.p_holm)}): {verdict}."
    )


def _frequent_sentence(evaluation: LesionEvaluation, split: LesionSplit) -> str:
    first, three = (evaluation.frequent[split][name] for name in ("top_1", "top_3"))
    return (
        f"Whoever names the most frequent class of the training cases for each patient is right in {_of(first)}, and "
        f"with the {TOP} most frequent ones in {_of(three)} {SPLIT_TITLES[split].lower()}: a network has to do better."
    )


def _baseline_sentences(evaluation: LesionEvaluation, split: LesionSplit) -> list[str]:
    one = difference_of(evaluation.differences, DMFN, CLINICAL_CTC, split)
    if one is None:
        return ["The DMFN could not be compared with clinical data and CTC alone, without which its AUC says little."]
    return [_difference_sentence(evaluation, one, "a logistic regression of clinical data and CTC, without any image")]


def _gain_sentences(evaluation: LesionEvaluation, split: LesionSplit) -> list[str]:
    shuffled, own = (difference_of(evaluation.differences, *pair, split) for pair in (CONTROL, OF_LEVELS))
    if shuffled is None:
        return ["No network was trained with CTC shuffled between patients, so a gain is not known to come from CTC."]
    title = AREA_WORDS[evaluation.task]
    words = difference_words(shuffled.difference.difference, "lower", "higher", "no other")
    interval = shuffled.difference.interval
    if interval is None:
        verdict = "the cases are too few to tell whether that is nothing"
    elif interval[0] <= 0 <= interval[1]:
        verdict = "no gain is shown, as it must be"
    elif interval[0] > 0:
        verdict = "that gain is not from CTC, but from clinical data or chance"
    else:
        verdict = "levels that say nothing make the network worse than CT alone"
    sentences = [
        f"With CTC shuffled between patients the network's {title} is {words} than that of the monomodal network "
        f"({interval_words(interval, 'lower', 'higher')}): {verdict}."
    ]
    if own is not None:
        words = difference_words(own.difference.difference, "lower", "higher", "no other")
        interval = own.difference.interval
        sentences.append(
            f"With the right levels it is {words} than with shuffled ones "
            f"({interval_words(interval, 'lower', 'higher')}), which is what the levels themselves add."
        )
    return sentences


def _nested_sentence(one: NestedCtc) -> str:
    where = f"{one.cases} {SPLIT_TITLES[one.split].lower()} with a level"
    if one.test is None or one.odds_ratio is None:
        return f"Whether CTC tells more than the monomodal score was not tested on {where}: {one.why_not}."
    more = one.test.p < SIGNIFICANT_P
    told = "tells more" if more else "is not shown to tell more"
    ratio, (low, high) = one.odds_ratio
    batch = " A laboratory that measured benign and malignant cases at different times would look the same."
    return (
        f"On {where} CTC {told} of malignancy than the monomodal score alone (likelihood ratio p {_p(one.test.p)}; "
        f"odds ratio {ratio:.2f} a standard deviation, 95% CI {low:.2f} to {high:.2f}).{batch if more else ''}"
    )


def _level_sentence(evaluation: LesionEvaluation) -> str:
    split = evaluation.scores.last_split
    cases = [case for case in evaluation.cohort.of_split(split) if case.class_of(evaluation.task) is not None]
    without = sum(case.ctc_level is None for case in cases)
    title = SPLIT_TITLES[split].lower()
    if not without:
        return f"All {len(cases)} {title} have a CTC level."
    return f"{without} of {len(cases)} {title} have no CTC level; the DMFN calls them by CT and clinical data."


def _verdict(one: AreaDifference) -> str:
    if one.p_holm is None or one.p_holm >= SIGNIFICANT_P:
        return "it is not shown to be better or worse"
    return "it is better" if one.difference.difference > 0 else "it is worse"


def _of(rate: Rate) -> str:
    return f"{rate.k} of {rate.n} ({value_text(rate.value, digits=3)})"


def _p(p: float | None) -> str:
    text = short_p_text(p)
    return text if text.startswith("<") else f"= {text}"

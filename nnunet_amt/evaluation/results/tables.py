"""Our metrics in the form of the paper's Tables 3 and 4, of patients each row above the published one, in no format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from nnunet_amt import __version__, paper
from nnunet_amt.base.files import write_json, write_text
from nnunet_amt.base.json_file import read_json
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.measure.case import VOXEL_METRICS
from nnunet_amt.evaluation.measure.lesions import TABLE_THRESHOLDS, threshold_index
from nnunet_amt.evaluation.measure.surface_dice import SURFACE_DICE, TOLERANCE_MM
from nnunet_amt.evaluation.results.summary_json import read_summary
from nnunet_amt.evaluation.settings import EvaluationSettings, ResamplingUnit
from nnunet_amt.evaluation.subjects import why_not_published
from nnunet_amt.evaluation.summary.summary import (
    FEWEST_CASES,
    GroupSummary,
    MetricSummary,
    NamedGroup,
)
from nnunet_amt.statistics.intervals import rate_interval
from nnunet_amt.writing.numbers import UNDEFINED, counted, interval_text, value_text
from nnunet_amt.writing.table import Document, Row, RowKind, Table, document_from_json
from nnunet_amt.writing.table_formats import html_document, latex_document, markdown_document

TABLE_FILES = ("tables.md", "tables.tex", "tables.html", "tables.json")
TABLES_SCHEMA_VERSION = 1

SOURCES: dict[RowKind, str] = {"row": "ours", "published": "published"}
_MOST_VALUES = 12  # of a group without published rows; more make the table unreadable
_GROUP_TITLES = {
    "tumour": "Tumour",
    "manufacturer": "Scanner manufacturer",
    "tumour_size": "Tumour size",
    "histology": "Histology",
    "institution": "Institution",
    "sex": "Sex",
    "age": "Age in years",
    "slice_thickness_mm": "Slice thickness",
}
_SMALL, _LARGE = paper.SIZE_LIMITS_CM
_SUBGROUP_TITLES = {
    ("overall", "overall"): "Overall",
    ("tumour_size", "large"): f"large (> {_LARGE:g} cm)",
    ("tumour_size", "medium"): f"medium ({_SMALL:g} to {_LARGE:g} cm)",
    ("tumour_size", "small"): f"small (< {_SMALL:g} cm)",
}
_PUBLISHED_LESION_METRICS = ("sensitivity_01", "fp_per_scan_01", "sensitivity_05", "fp_per_scan_05")
FALSE_POSITIVE_RULES = {
    "unmatched": "a predicted lesion without a partner is a false positive",
    "no_overlap": "a predicted lesion that overlaps no reference lesion is a false positive",
}

LESION_INTERVALS = (
    "CI of sensitivities: Wilson's; of false positives per scan: the bootstrap's over scans from 60 scans and 10 false "
    "positives on, and below at least the exact one of Poisson's law."
)


def result_tables(
    *,
    settings: EvaluationSettings,
    overall: GroupSummary,
    subgroups: Sequence[NamedGroup],
    subjects: str | None = None,
) -> Document:
    """Lay out the metrics of all cases and of subgroups, those of a group together, in both tables.

    `subjects` is of what the cases are, see `subjects_of`: the paper's rows stand beside those of patients alone.
    """
    groups, left_out = _shown_groups([("overall", "overall", overall), *subgroups])
    voxel_columns = ("Dice score", "IoU", "Precision", "Recall")
    voxel_rows = _rows(groups, _voxel_cells, _published_rows(paper.TABLE_3, VOXEL_METRICS))
    lesion_rows = _rows(groups, _lesion_cells, _published_rows(paper.TABLE_4, _PUBLISHED_LESION_METRICS))
    tables = Document(
        title=f"Evaluation of {counted(overall.cases, 'case')}",
        notes=_notes(settings, overall),
        tables=(
            Table("Segmentation by voxels (form of Table 3)", "Subgroup", ("Cases", *voxel_columns), voxel_rows),
            Table("Detection by lesions (form of Table 4)", "Subgroup", ("Cases", *_lesion_columns()), lesion_rows),
            *_specificity_tables(groups),
            *_surface_tables(groups),
        ),
        left_out=left_out,
    )
    if why_not := why_not_published(subjects):
        tables = tables.without_published()
        tables = replace(tables, notes=(*tables.notes, why_not))
    return tables


def subgroup_table(
    group: str, *, overall: GroupSummary, subgroups: Sequence[NamedGroup], subjects: str | None = None
) -> Table:
    """Lay out all cases and the subgroups of one group, however many, with the figures that both tables begin with.

    Parameters
    ----------
    group
        One of `subgroups`, such as ``tumour_size``.
    overall, subgroups, subjects
        As in `result_tables`.
    """
    chosen = [named for named in subgroups if named[0] == group]
    published = {}
    lesion_rows = _published_rows(paper.TABLE_4, _PUBLISHED_LESION_METRICS)
    for key, row in _published_rows(paper.TABLE_3, ("dice",)).items():
        cases, dice = row.cells
        published[key] = Row(row.title, (cases, UNDEFINED, dice, *lesion_rows[key].cells[1:]), row.kind)
    columns = ("Cases", "Lesions", "Dice score", *_lesion_columns())
    rows = _rows([("overall", "overall", overall), *chosen], _short_cells, published)
    table = Table(group_title(group), "Subgroup", columns, tuple(row for row in rows if row.kind != "group"))
    return table.without_published() if why_not_published(subjects) else table


def _lesion_columns() -> tuple[str, ...]:
    return tuple(f"{name}, IoU > {t:g}" for t in TABLE_THRESHOLDS for name in ("Sensitivity", "FP per scan"))


def _short_cells(summary: GroupSummary) -> tuple[str, ...]:
    return (str(summary.lesion.references), _voxel_cells(summary)[0], *_lesion_cells(summary))


def write_tables(folder: Path, tables: Document) -> None:
    """Write `TABLE_FILES`: Markdown, LaTeX and HTML to read, and JSON for the report."""
    write_text(folder / "tables.md", markdown_document(tables, alignments="llr", sources=SOURCES))
    write_text(folder / "tables.tex", latex_document(tables))
    write_text(folder / "tables.html", html_document(tables, number_columns={0}, row_class="ours"))
    write_json(folder / "tables.json", {"schema_version": TABLES_SCHEMA_VERSION, **tables.as_json()})


def read_tables(folder: Path) -> Document:
    """Read the tables of an evaluation; those of one that left no tables.json are laid out anew from summary.json.

    Raises
    ------
    BadInputError
        If both files are missing or broken.
    """
    path, advice = folder / "tables.json", "run nnunet_amt evaluate again"
    content = read_json(path, advice=advice) if path.is_file() else {}
    if content.get("schema_version") == TABLES_SCHEMA_VERSION:
        try:
            return document_from_json(content)
        except ValueError as error:
            raise BadInputError(f"{path}: is not what evaluate writes ({error}); {advice}") from error
    summary = read_summary(folder)
    return result_tables(
        settings=summary.settings, overall=summary.overall, subgroups=summary.subgroups, subjects=summary.subjects
    )


def group_title(group: str) -> str:
    """Name a group for a reader; a column that somebody asked for keeps its name."""
    return _GROUP_TITLES.get(group, group)


def subgroup_title(group: str, subgroup: str) -> str:
    """Name a subgroup for a reader."""
    return _SUBGROUP_TITLES.get((group, subgroup), subgroup)


def _notes(settings: EvaluationSettings, overall: GroupSummary) -> tuple[str, ...]:
    return (
        f"Ours: {overall.cases} cases with {overall.lesion.references} reference lesions, nnunet_amt {__version__}.",
        f"Published: {paper.CITATION}, doi:{paper.DOI}. Their {paper.EXTERNAL_CASES} cases are other "
        "patients, so a difference between the rows is not a difference between models.",
        "Mean±SD (95% CI). SD of voxel metrics: over cases; SD of lesion metrics: over bootstrap resamples. "
        f"{_interval_note(settings, overall)}",
        f"Lesions: components of {settings.connectivity}-connectivity, predicted ones under "
        f"{settings.minimum_predicted_voxels} voxels dropped, matched one to one at an IoU above the threshold; "
        f"{FALSE_POSITIVE_RULES[settings.false_positive_rule]} (rule {settings.false_positive_rule}).",
        *_triage_notes(overall),
        *_tumour_notes(overall),
        f"{UNDEFINED}: undefined, or withheld. [n]: cases (for sensitivity: lesions) that a value rests on, where they "
        "are not all of the row's.",
    )


def _triage_notes(overall: GroupSummary) -> tuple[str, ...]:
    triage = overall.triage
    if triage is None:
        return ()
    without = ", ".join(
        f"{value_text(value, None if overall.clustered else rate_interval(count, overall.cases, None), digits=2)} at "
        f"IoU {threshold:g}"
        for threshold, count, value in zip(
            triage.threshold, triage.fp_without_triage, triage.fp_per_scan_without_triage, strict=True
        )
    )
    return (
        f"Triage: of {counted(triage.candidates, 'candidate false positive')} a reader accepted {triage.accepted} as "
        f"lesions that the reference lacks and dismissed {triage.dismissed}; {triage.undecided} undecided. "
        "Accepted ones are counted neither as false positives nor as found lesions; voxel metrics do not change. "
        f"Without triage: FP per scan (exact CI) {without}.",
    )


def _tumour_notes(overall: GroupSummary) -> tuple[str, ...]:
    found = overall.specificity
    if found is None:
        return ()
    false, dice = found.scans - found.negative, overall.voxel["dice"]
    return (
        f"Without a tumour: {counted(found.scans, 'case')}, counted in the false positives per scan. Dice, IoU, "
        "precision and recall do not measure such a case: where something is predicted the first three are 0, "
        f"elsewhere all are undefined. The overall row holds those 0 (its Dice rests on {dice.n} of "
        f"{counted(overall.cases, 'case')}), the row 'with a tumour' does not; in the rows of such cases they are left "
        f"out ({UNDEFINED}). Specificity: share of the scans without a tumour that have no false positive lesion, with "
        f"Wilson's interval ({counted(false, 'scan')} of {found.scans} {'has' if false == 1 else 'have'} one or more).",
    )


def _specificity_tables(groups: Sequence[NamedGroup]) -> tuple[Table, ...]:
    """Lay out the scans without a tumour, of all and of the subgroups that hold such; nothing without any."""
    rows = []
    for group, members in groupby(groups, key=lambda named: named[0]):
        found = [(name, summary.specificity) for _, name, summary in members if summary.specificity is not None]
        if not found or group in ("tumour", "tumour_size"):  # the same scans again
            continue
        if group != "overall":
            rows.append(Row(group_title(group), kind="group"))
        for name, scans in found:
            share = f"{scans.value:.2f} (Wilson {interval_text(scans.wilson95, digits=2)})"
            rate = value_text(
                scans.false_positives / scans.scans, rate_interval(scans.false_positives, scans.scans, None), digits=2
            )
            cells = (str(scans.scans), str(scans.negative), share, rate)
            rows.append(Row(subgroup_title(group, name), cells))
    columns = ("Scans", "Without a false positive", "Specificity by scan", "FP per scan (exact CI)")
    return (Table("Scans without a tumour", "Subgroup", columns, tuple(rows)),) if rows else ()


def _surface_tables(groups: Sequence[NamedGroup]) -> tuple[Table, ...]:
    """Lay out the normalised surface Dice; nothing where surfaces were not measured."""
    if not all(SURFACE_DICE in summary.voxel for _, _, summary in groups):
        return ()

    def cells(summary: GroupSummary) -> tuple[str, ...]:
        if summary.specificity is not None and not summary.lesion.references:
            return (UNDEFINED,)
        return (_metric_text(summary.voxel[SURFACE_DICE], summary.cases),)

    note = (
        f"Share of both surfaces that lies within {TOLERANCE_MM:g} mm of the other (Nikolov et al., arXiv:1809.04430); "
        "defined where the Dice is. Hausdorff distances of the cases stand in cases.csv."
    )
    title = f"Normalised surface Dice at {TOLERANCE_MM:g} mm"
    return (Table(title, "Subgroup", ("Cases", "Surface Dice"), _rows(groups, cells, {}), (note,)),)


def withheld_words(drawn: str, always: bool) -> str:
    """Say under how many of what is drawn the bootstrap is withheld, or too narrow."""
    if always:
        return f"under {FEWEST_CASES} {drawn} it is too narrow to rely on"
    return f"withheld (–) under {FEWEST_CASES} {drawn}, where it is too narrow to rely on"


def _interval_note(settings: EvaluationSettings, overall: GroupSummary) -> str:
    how = f"{settings.bootstrap_resamples} resamples, seed {settings.seed}"
    clusters = overall.clusters if overall.clustered else None
    return interval_note(how, clusters=clusters, cluster=settings.cluster, ci_always=settings.ci_always)


def interval_note(how: str, *, clusters: int | None, cluster: ResamplingUnit, ci_always: bool) -> str:
    """Say which intervals are given; `clusters` is the number of what is drawn, None where that are single cases."""
    if clusters is not None:
        drawn = f"{counted(clusters, cluster)} with all of their cases"
        withheld = withheld_words(f"{cluster}s", ci_always)
        return f"CI: percentile bootstrap over {drawn}, {how}; {withheld}; none (–) without a width."
    withheld = withheld_words("cases", ci_always)
    each = "" if cluster == "case" else f" (no {cluster} has two)"
    return (
        f"CI of voxel metrics: percentile bootstrap over cases{each}, {how}; {withheld}; none (–) without a width. "
        f"{LESION_INTERVALS}"
    )


def _shown_groups(groups: Sequence[NamedGroup]) -> tuple[list[NamedGroup], tuple[str, ...]]:
    """Leave groups of many values without published counterpart to metrics.csv, and say so."""
    published = {row.group for row in paper.TABLE_3}
    shown: list[NamedGroup] = []
    left_out = []
    for group, members in groupby(groups, key=lambda named: named[0]):
        rows = list(members)
        if group in published or len(rows) <= _MOST_VALUES:
            shown += rows
        else:
            left_out.append(f"{group_title(group)}: {len(rows)} values, in metrics.csv.")
    return shown, tuple(left_out)


def _rows(
    groups: Sequence[NamedGroup],
    our_cells: Callable[[GroupSummary], tuple[str, ...]],
    published_rows: Mapping[tuple[str, str], Row],
) -> tuple[Row, ...]:
    rows = []
    for group, members in groupby(groups, key=lambda named: named[0]):
        if group != "overall":
            rows.append(Row(group_title(group), kind="group"))
        for _, name, summary in members:
            rows.append(Row(subgroup_title(group, name), (str(summary.cases), *our_cells(summary))))
            if (group, name) in published_rows:
                rows.append(published_rows[group, name])
    return tuple(rows)


def _voxel_cells(summary: GroupSummary) -> tuple[str, ...]:
    if summary.specificity is not None and not summary.lesion.references:
        return (UNDEFINED,) * len(VOXEL_METRICS)  # no case has a tumour: see the notes
    return tuple(_metric_text(summary.voxel[name], summary.cases) for name in VOXEL_METRICS)


def _lesion_cells(summary: GroupSummary) -> tuple[str, ...]:
    lesion = summary.lesion
    indices = [threshold_index(t) for t in TABLE_THRESHOLDS]
    return tuple(
        _metric_text(metric, metric.n) for i in indices for metric in (lesion.sensitivity[i], lesion.fp_per_scan[i])
    )


def _published_rows(
    rows: Sequence[paper.PublishedVoxelRow | paper.PublishedLesionRow], metrics: Sequence[str]
) -> dict[tuple[str, str], Row]:
    """Give the paper's rows by group and subgroup."""
    published = {}
    for row in rows:
        cells = (str(row.cases), *(str(getattr(row, metric)) for metric in metrics))
        published[row.group, row.subgroup] = Row("published", cells, "published")
    return published


def _metric_text(metric: MetricSummary, expected_n: int) -> str:
    if metric.mean is None:
        return UNDEFINED
    deviation = "" if metric.sd is None else f"±{metric.sd:.2f}"
    intervals = UNDEFINED if metric.ci95 is None else interval_text(metric.ci95, digits=2)
    n = "" if metric.n == expected_n else f" [{metric.n}]"
    return f"{metric.mean:.2f}{deviation} ({intervals}){n}"

"""Section 7: under which settings. Every recorded run, and the versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nnunet_amt.report.page_parts import Missing, Section
from nnunet_amt.report.study_content import Run, StudyContent
from nnunet_amt.writing.numbers import counted, duration, file_size, moment, number
from nnunet_amt.writing.table import Row, Table

_HASH_CHARACTERS = 16


@dataclass(frozen=True)
class RunView:
    """A run as it is shown.

    Attributes
    ----------
    stage, where
        What ran, and in which folder its record stands.
    command
        As it was typed, folders above the study cut away.
    started, took
        As text.
    details
        Name and value of everything else.
    """

    stage: str
    where: str
    command: str
    started: str
    took: str
    details: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Settings:
    """What the section shows.

    Attributes
    ----------
    evaluation
        Every setting of the evaluation.
    software
        Versions; a column a stage where they differ.
    runs
        Oldest first.
    run_records
        All records, as JSON, base64, to save.
    missing
        If nothing was recorded.
    """

    evaluation: Table
    software: Table | None
    runs: tuple[RunView, ...]
    run_records: str
    missing: tuple[Missing, ...]


def settings_section(content: StudyContent) -> Section:
    """Lay out the run records in the order of time."""
    settings = Settings(
        evaluation=_evaluation(content),
        software=_software(content.runs),
        runs=tuple(_run(where, run) for where, run in content.runs),
        run_records=content.run_records(),
        missing=() if content.runs else (_MISSING,),
    )
    return Section("settings", "Under which settings", "settings.html.j2", settings)


_MISSING = Missing(
    "No stage left a run record in this study: it was made by an earlier version, or by other programs. Only the "
    "settings of the evaluation are known."
)


def _evaluation(content: StudyContent) -> Table:
    rows = tuple(
        Row(name.replace("_", " "), (_value(value) or "none",))
        for name, value in asdict(content.summary.settings).items()
    )
    return Table("Settings of the evaluation", "Setting", ("Value",), rows, words=frozenset({0}))


def _software(runs: Sequence[tuple[str, Run]]) -> Table | None:
    """Give the versions; of a program of which several were used all, with the stages that used each."""
    used: dict[str, dict[str, list[str]]] = {}
    for _, run in runs:
        for name, version in (run.get("software") or {}).items():
            stages = used.setdefault(name, {}).setdefault(str(version), [])
            if run.get("stage") not in stages:
                stages.append(str(run.get("stage")))
    if not used:
        return None
    rows = [
        Row(name, ("; ".join(f"{v} ({', '.join(s)})" if len(versions) > 1 else v for v, s in versions.items()),))
        for name, versions in used.items()
    ]
    return Table("Software", "Program", ("Version",), tuple(rows), words=frozenset({0}))


def _run(where: str, run: Run) -> RunView:
    return RunView(
        stage=str(run.get("stage", "?")),
        where=where,
        command=str(run.get("command", "")),
        started=moment(str(run.get("started", ""))),
        took=duration(float(run.get("seconds") or 0.0)),
        details=tuple(_details(run)),
    )


def _details(run: Run) -> Iterator[tuple[str, str]]:
    machine = run.get("machine") or {}
    if machine:
        parts = [str(machine[key]) for key in ("system", "device") if machine.get(key)]
        if machine.get("cores"):
            parts.append(f"{machine['cores']} cores")
        yield "machine", ", ".join(parts)
    settings = "; ".join(
        f"{name} {_value(value)}" for name, value in (run.get("settings") or {}).items() if _value(value)
    )
    if settings:
        yield "settings", settings
    yield "seed", "none" if run.get("seed") is None else str(run["seed"])
    for name, item in (run.get("inputs") or {}).items():
        yield f"input: {name}", _input(item)
    outputs = "; ".join(f"{name} {_cut(item.get('sha256'))}" for name, item in (run.get("outputs") or {}).items())
    if outputs:
        yield "outputs, SHA-256", outputs
    counts = ", ".join(f"{name.replace('_', ' ')} {number(value)}" for name, value in (run.get("counts") or {}).items())
    if counts:
        yield "counts", counts
    for name, value in (run.get("cost") or {}).items():
        yield name.removesuffix("_bytes").replace("_", " "), _cost(name, value)


def _input(item: Mapping[str, Any]) -> str:
    parts = [str(item["path"])] if item.get("path") else []
    if item.get("files") is not None:
        parts.append(counted(item["files"], "file"))
    if item.get("sha256"):
        parts.append(f"SHA-256 {_cut(item['sha256'])}")
    if item.get("names_and_sizes_sha256"):
        parts.append(f"SHA-256 of names and sizes {_cut(item['names_and_sizes_sha256'])}")
    return ", ".join(parts)


def _cut(sha256: Any) -> str:
    return f"{str(sha256)[:_HASH_CHARACTERS]}…" if sha256 else "no hash"


def _cost(name: str, value: Any) -> str:
    if name.endswith("_bytes"):
        return file_size(float(value))
    return duration(float(value)) if "seconds" in name else number(value)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_value(item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return " ".join(_value(item) for item in value)
    if value is None:
        return ""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)

"""What may be saved of a study's results: its tables as CSV, all files of the evaluation, the figures for print."""

from __future__ import annotations

import io
import shlex
import zipfile
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from nnunet_amt.app.pages import opened_folder
from nnunet_amt.app.results_view import find_results, read_results
from nnunet_amt.app.studies import study_of
from nnunet_amt.report.print_figures.make_figures import FIGURE_FILES
from nnunet_amt.report.study_content import StudyContent
from nnunet_amt.study.settings import PAGE_NAME

JOB_KIND = "figures"
FIGURES = "figures"  # of a study
TABLES = ("table_3.csv", "table_4.csv")
_TYPES = {".csv": "text/csv; charset=utf-8", ".zip": "application/zip", ".png": "image/png"}
_MARK = b"\xef\xbb\xbf"  # by which spreadsheets know UTF-8


def figures_command(folder: Path) -> tuple[str, ...]:
    """Write the command that draws the paper's figures of a study."""
    return ("nnunet_amt", "figures", str(folder), "-o", str(folder / FIGURES))


def save_commands(content: StudyContent, folder: Path) -> dict[str, str]:
    """Give the command line that makes each of what is saved: ``report``, ``tables``, ``figures``."""
    tables = content.evaluate_words(output=content.study.evaluation.path)
    return {
        "report": shlex.join(["nnunet_amt", "report", str(folder), "-o", str(folder / PAGE_NAME)]),
        "tables": shlex.join(["nnunet_amt", *map(str, tables)]),
        "figures": shlex.join(figures_command(folder)),
    }


def drawn_figures(folder: Path) -> tuple[str, ...]:
    """Name the pictures among the figures that were drawn of a study."""
    return tuple(name for name in FIGURE_FILES if name.endswith(".png") and (folder / FIGURES / name).is_file())


def _table(request: Request) -> Response:
    """Give Table 3 or 4 in the paper's form as CSV, with the published rows where they may stand beside ours."""
    name = request.path_params["file"]
    if name not in TABLES:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    folder = study_of(request)
    content = read_results(folder, opened_folder(request))
    tables = [content.as_it_may_stand(table) for table in content.result_tables.tables]
    ends = f"(form of Table {name[6]})"
    table = next((table for table in tables if table.title.endswith(ends)), None)
    if table is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"{folder.name}: the evaluation has no {name}; run the study again")
    return _saved(f"{folder.name}_{name}", _MARK + table.as_csv().encode())


def _evaluation(request: Request) -> Response:
    """Give all files of the evaluation in a zip."""
    folder = study_of(request)
    place = find_results(folder, opened_folder(request)).evaluation.path
    names = sorted(path.name for path in place.iterdir() if path.is_file() and not path.name.startswith("."))
    return _saved(f"{folder.name}_evaluation.zip", _zipped(place, names))


def _figures(request: Request) -> Response:
    """Give the figures for print, with their captions, in a zip."""
    folder = study_of(request)
    names = [name for name in FIGURE_FILES if (folder / FIGURES / name).is_file()]
    if not names:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"{folder.name}: no figures were drawn yet; draw them first")
    return _saved(f"{folder.name}_figures.zip", _zipped(folder / FIGURES, names))


def _figure(request: Request) -> Response:
    """Give one of the figures."""
    folder, name = study_of(request), request.path_params["file"]
    if name not in drawn_figures(folder):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return _saved(f"{folder.name}_{name}", (folder / FIGURES / name).read_bytes())


def _zipped(folder: Path, names: Sequence[str]) -> bytes:
    """Put files of a folder into a zip; links out of it are left out."""
    place, packed = folder.resolve(), io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            if (folder / name).resolve().parent == place:
                archive.write(folder / name, name)
    return packed.getvalue()


def _saved(name: str, content: bytes) -> Response:
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return Response(content, media_type=_TYPES[Path(name).suffix], headers=headers)


routes = [
    Route("/studies/{name}/results/tables/{file}", _table),
    Route("/studies/{name}/results/evaluation.zip", _evaluation),
    Route("/studies/{name}/results/figures.zip", _figures),
    Route("/studies/{name}/results/figures/{file}", _figure),
]

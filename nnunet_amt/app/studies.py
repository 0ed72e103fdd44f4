"""The studies below the opened folder: the list of them with what each has reached, and new ones."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from nnunet_amt.app.pages import opened_folder, render
from nnunet_amt.app.security import inside
from nnunet_amt.study.settings import SETTINGS_FILE


def study_of(request: Request) -> Path:
    """Give the folder of the study that an address ``/studies/{name}`` names.

    Raises
    ------
    HTTPException
        With status 404 if there is none, 403 if it lies outside the opened folder.
    """
    name = request.path_params["name"]
    folder = inside(opened_folder(request), name)
    if folder.parent != opened_folder(request) or not (folder / SETTINGS_FILE).is_file():
        raise HTTPException(HTTPStatus.NOT_FOUND, f"{name}: no such study; choose one of the list")
    return folder


def studies_below(folder: Path) -> list[Path]:
    """List the studies of a folder by name."""
    return sorted(path.parent for path in folder.glob(f"*/{SETTINGS_FILE}") if not path.parent.name.startswith("."))


def _list(request: Request) -> Response:
    return render(request, "studies.html.j2", studies=studies_below(opened_folder(request)))


routes = [Route("/", _list)]

"""The command of the no-code page."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnunet_amt.cli.console import err, one_line_errors, out
from nnunet_amt.errors import missing_extra

if TYPE_CHECKING:
    from nnunet_amt.app.start import Listening

_NEEDED = ("starlette", "uvicorn", "jinja2", "python_multipart")


@one_line_errors
def app(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where the studies lie or are to lie, one a folder.")
    ] = Path(),
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Another than this machine only: needs the three files below.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="Port.", show_default="the last one or a free one")
    ] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", metavar="FILE", help="Certificate of the address, PEM.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="Its key, PEM.")] = None,
    password_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What others must type to come in, one line.")
    ] = None,
) -> None:
    """Open the no-code page: studies from a table of CTs to the report, and new patients, in a browser.

    Only this machine reaches it, by the address that is printed. Ctrl-C ends the page; jobs that run go on.
    """
    require_page()
    from nnunet_amt.app.start import serve

    serve(
        folder,
        host=host,
        port=port,
        open_browser=browser,
        tls_cert=tls_cert,
        tls_key=tls_key,
        password_file=password_file,
        on_start=show_address,
    )
    out.print("the page is closed; jobs that run go on")


def require_page() -> None:
    """Refuse to go on where what the page needs is not installed; raises MissingExtraError."""
    if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        raise missing_extra(f"the page ({missing[0]})", "app")


def show_address(listening: Listening) -> None:
    """Tell where the page is, and what it means that others reach it."""
    out.print("[bold]the page[/bold]" + (" is opened in your browser" if listening.opened else ": open in a browser"))
    out.print(f"  {listening.address}", markup=False)
    out.print("Ctrl-C ends it; jobs that run go on")
    if listening.others:
        err.print(f"note: {listening.others}", markup=False)

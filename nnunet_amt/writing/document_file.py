"""Results files that hold a document beside their figures: every page that lays one out anew reads it here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from nnunet_amt.base.json_file import misfit, read_json
from nnunet_amt.errors import BadInputError
from nnunet_amt.writing.table import Document, Picture, document_from_json

_FORM = {"sentences": [str], "document": dict, "pictures": [{"file": str, "text": str}]}


@dataclass(frozen=True)
class DocumentFile:
    """A kind of results file that holds a document.

    Attributes
    ----------
    name
        Of the file, beside which the pictures stand.
    version
        Of its form, ``schema_version``.
    command
        That writes it, without ``nnunet_amt``.
    page
        The document as a page of its own, beside the file.
    """

    name: str
    version: int
    command: str
    page: str

    def read(self, folder: Path) -> Document:
        """Read the document of a folder with its sentences, and those of its pictures that are there.

        Raises
        ------
        BadInputError
            If there is no such file, or it is damaged or of another version.
        """
        path, again = folder / self.name, f"run nnunet_amt {self.command} again"
        content = read_json(path, form={"schema_version": int}, advice=again)
        if content["schema_version"] != self.version:  # which may have another form
            raise BadInputError(f"{path}: is of version {content['schema_version']}, not {self.version}; {again}")
        try:
            if reason := misfit(content, _FORM):
                raise ValueError(reason)
            document = document_from_json(content["document"])
        except ValueError as error:
            raise BadInputError(f"{path}: is damaged ({error}); {again}") from error
        pictures = (Picture(folder / Path(one["file"]).name, one["text"], wide=True) for one in content["pictures"])
        there = tuple(picture for picture in pictures if picture.file.is_file())
        return replace(document, sentences=tuple(content["sentences"]), pictures=there)

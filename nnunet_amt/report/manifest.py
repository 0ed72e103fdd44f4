"""Every run of a study as JSON, for programs."""

from __future__ import annotations

import json

from nnunet_amt.report.study_content import StudyContent

MANIFEST_ID = "run-manifest"
_SCHEMA_VERSION = 1


def manifest_text(content: StudyContent) -> str:
    """Write all run records, oldest first, each with the folder that it stands in.

    Safe to stand between the tags of a script block that is not run: no ``<`` is left in it.
    """
    runs = [{"folder": where, **run} for where, run in content.runs]
    text = json.dumps({"schema_version": _SCHEMA_VERSION, "runs": runs}, indent=1, ensure_ascii=True)
    return text.replace("<", "\\u003c")

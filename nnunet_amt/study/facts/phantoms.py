"""Tell a study of drawn phantoms, which has no patient, from one of patients."""

from __future__ import annotations

from pathlib import Path

from nnunet_amt.base.files import read_record
from nnunet_amt.base.run_record import file_sha256
from nnunet_amt.study import Study
from nnunet_amt.study.study import newest_run

_MARK = "phantom_design.json"  # the phantom program leaves it beside its manifest
_WORD = "phantom"


def is_of_phantoms(study: Study) -> bool:
    """Whether the evaluated dataset was made of phantoms.

    It was if its name or the origin of its labels says so, or if it was converted from the manifest of phantoms in the
    study. Phantoms may also lie there, to try things out, beside a dataset of patients.
    """
    manifests = [mark.parent / "manifest.csv" for mark in (study.folder / _MARK, *study.folder.glob(f"*/{_MARK}"))]
    manifests = [manifest for manifest in manifests if manifest.is_file()]
    if study.dataset is None:
        return bool(manifests)
    origin = str(read_record(study.dataset / "dataset.json").get("label_origin", ""))
    if _WORD in study.dataset.name.lower() or _WORD in origin.lower():
        return True
    return any(_was_converted(manifest, study.dataset) for manifest in manifests)


def _was_converted(manifest: Path, dataset: Path) -> bool:
    """Compare the manifest with the record of the conversion, or where there is none the number of its cases."""
    run = newest_run(dataset, "convert")
    entry = run["inputs"].get("manifest") if run else None
    if isinstance(entry, dict) and "sha256" in entry:
        return entry["sha256"] == file_sha256(manifest)
    cases = manifest.read_text(encoding="utf-8").count("\n") - 1
    return read_record(dataset / "audit.json").get("identified") == cases

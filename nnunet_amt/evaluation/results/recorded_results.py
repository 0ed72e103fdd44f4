"""Results that appear all at once, with the record of the run that made them among them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nnunet_amt.base.run_record import RECORD_FILE, RunInput, RunNotes, recorded_run
from nnunet_amt.evaluation.results.result_folder import result_folder
from nnunet_amt.evaluation.settings import EvaluationSettings


@contextmanager
def recorded_results(
    output: Path,
    file_names: Collection[str],
    stage: str,
    settings: Mapping[str, Any] | EvaluationSettings,
    inputs: Mapping[str, Path | RunInput | None],
    seed: int | None = None,
) -> Iterator[tuple[Path, RunNotes]]:
    """Give a folder to write results to, as `result_folder` does, and the notes of their run, see `recorded_run`.

    Parameters
    ----------
    output
        The results' folder.
    file_names
        What the block may write.
    stage, settings, seed
        For the record.
    inputs
        What is read; what is None was not given.

    Yields
    ------
    Path
        The folder to write to.
    RunNotes
        To add counts and further settings to.

    Raises
    ------
    BadInputError
        If nothing can be written to `output`; `DiskFullError` if the disk fills up on the way.
    """
    given = {name: item for name, item in inputs.items() if item is not None}
    with (
        result_folder(output, (*file_names, RECORD_FILE)) as folder,
        recorded_run(
            folder,
            stage,
            settings=settings,
            seed=seed,
            inputs=given,
            outputs=tuple(file_names),
            keep_earlier=False,
            final_folder=output,
        ) as notes,
    ):
        yield folder, notes

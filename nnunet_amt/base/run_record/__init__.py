"""What was run, with which settings, on which files and at what cost: a record beside the results of every stage."""

from nnunet_amt.base.run_record.entries import (
    RunInput,
    describe_input,
    file_sha256,
    number_of_parameters,
    shareable_path,
    shareable_words,
)
from nnunet_amt.base.run_record.record import (
    RECORD_FILE,
    SCHEMA_VERSION,
    RunNotes,
    input_path,
    newest_run,
    read_runs,
    recorded_run,
    recorded_settings,
)

__all__ = [
    "RECORD_FILE",
    "SCHEMA_VERSION",
    "RunInput",
    "RunNotes",
    "describe_input",
    "file_sha256",
    "input_path",
    "newest_run",
    "number_of_parameters",
    "read_runs",
    "recorded_run",
    "recorded_settings",
    "shareable_path",
    "shareable_words",
]

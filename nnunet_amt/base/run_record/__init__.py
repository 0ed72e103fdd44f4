"""What was run, with which settings, on which files and at what cost: a record beside the results of every stage."""

from nnunet_amt.base.run_record.cost import number_of_parameters
from nnunet_amt.base.run_record.hashes import RunInput, describe_input, file_sha256
from nnunet_amt.base.run_record.paths import told_words
from nnunet_amt.base.run_record.record import RunNotes, recorded_run, recorded_settings
from nnunet_amt.base.run_record.record_file import RECORD_FILE, SCHEMA_VERSION, input_path, read_runs

__all__ = [
    "RECORD_FILE",
    "SCHEMA_VERSION",
    "RunInput",
    "RunNotes",
    "describe_input",
    "file_sha256",
    "input_path",
    "number_of_parameters",
    "read_runs",
    "recorded_run",
    "recorded_settings",
    "told_words",
]

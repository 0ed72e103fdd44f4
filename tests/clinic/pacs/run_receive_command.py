"""The command `receive` with the quick worker, run as a program by tests: the words of the command line follow."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from nnunet_amt.cli.commands import main
from nnunet_amt.clinic.pacs import receiver
from tests.clinic.pacs.stand_ins import WORKER

if __name__ == "__main__":
    vars(receiver)["receive"] = partial(receiver.receive, worker_command=WORKER)
    main()

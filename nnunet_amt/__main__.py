"""Run the command line with ``python -m nnunet_amt``."""

from nnunet_amt.cli.commands import main

if __name__ == "__main__":
    main()

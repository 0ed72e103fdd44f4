"""The no-code page: a server on this machine whose pages call what the command line calls."""

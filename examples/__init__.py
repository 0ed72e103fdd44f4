"""Scripts that use the library without the command line."""

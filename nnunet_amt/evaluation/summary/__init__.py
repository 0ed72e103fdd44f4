"""Cases to subgroups, means and intervals."""

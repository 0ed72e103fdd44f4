"""What is true of a study, read from its files."""

"""What is measured on one case."""

"""What every stage stands on: files written whole, workers, run records, processes."""

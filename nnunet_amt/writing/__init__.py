"""Tables, numbers and words, figure style."""

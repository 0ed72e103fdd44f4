"""Operating points: chosen on tuning cases, kept beside the model, applied to saved tumour probabilities."""

"""What a hospital does with a trained model: results of new patients as objects that a PACS takes."""

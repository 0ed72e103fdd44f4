"""Networks that tell low from high risk on a slice: training by folds, scores of new cases, heat maps."""

"""Public cohorts as manifests, a file a cohort."""

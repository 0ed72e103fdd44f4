"""Low or high risk of thymic tumours: the second paper."""

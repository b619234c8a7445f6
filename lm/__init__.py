"""Small language models as a workload."""

"""Runs: command line, run directory, progress, tables and figures; the same for all workloads."""

"""Grids of runs: expanded, packed into populations, trained by many workers, resumable."""

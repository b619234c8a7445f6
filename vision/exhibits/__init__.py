"""Figures 1-5, 8, 10, 12 and 18-22 of the paper, and what became of its claims."""

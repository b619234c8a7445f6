"""Models so small that what weight decay does to them can be computed beside what is seen."""

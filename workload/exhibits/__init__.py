"""Tables and figures as functions over a grid of records, for any workload's report."""

"""What runs on disk show: tables, plots and reports."""

"""One run: its directory, its log and its training."""

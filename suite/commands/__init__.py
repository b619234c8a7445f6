"""One module per command that a person calls."""

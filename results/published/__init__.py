"""Numbers that others have published; see README.md beside this file."""

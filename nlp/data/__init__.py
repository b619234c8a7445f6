"""Parallel text, from a publisher's files or anyone's folder to what training opens."""

"""Images to train on: fetched or given, read, made small, kept as bytes. Imports no torch."""

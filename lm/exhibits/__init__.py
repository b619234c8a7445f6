"""Tables and figures of language models."""

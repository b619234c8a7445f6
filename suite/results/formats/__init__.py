"""A report's tables and texts as CSV, LaTeX, Markdown and HTML."""

"""Presets, files and flags: from what a user writes to typed values, or to one clear mistake."""

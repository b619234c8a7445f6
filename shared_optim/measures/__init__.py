"""What can be seen around a step of an optimizer: ours, and torch's Adam, AdamW and SGD."""

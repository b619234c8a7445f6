"""What translation adds to a report."""

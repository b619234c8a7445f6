"""Tables and figures of the runs on disk, in the paper's layout."""

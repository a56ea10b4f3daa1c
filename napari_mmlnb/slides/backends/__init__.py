"""File formats, one backend a file, found by name."""

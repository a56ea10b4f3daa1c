"""Image to sentences."""

"""Fusion of modalities, one method a file."""

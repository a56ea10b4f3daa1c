"""Torch modules only: no files, no slides."""

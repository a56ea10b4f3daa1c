"""Patch encoders: one family a file, with the facts that a bundle and a person need."""

"""Pixels in: slides, their backends, pyramid, tissue, tile grid and tile reader."""

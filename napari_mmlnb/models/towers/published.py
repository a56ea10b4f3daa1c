"""Sizes that MMLNB's released code gives (arXiv 2503.12927)."""

IMAGE_PX = 224
TOKENS = 128
DROPOUT = 0.3

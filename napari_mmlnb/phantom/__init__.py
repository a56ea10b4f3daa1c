"""Synthetic neuroblastic slides with ground truth."""

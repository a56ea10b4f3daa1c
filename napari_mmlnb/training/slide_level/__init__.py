"""Bundles: MMLNB on whole slides, from a cohort to a model that knows its limits."""

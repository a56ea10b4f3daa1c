"""Cohorts, curricula and metrics: how a bundle is made."""

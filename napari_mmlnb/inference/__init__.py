"""Slide and bundle to `RunResult`."""

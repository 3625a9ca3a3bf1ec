"""Runs on disk and as JSON."""

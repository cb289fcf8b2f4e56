"""Filters of synthetic samples, one a file."""

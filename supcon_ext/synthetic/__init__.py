"""Synthetic samples: where they come from, who makes them, and which are kept."""

"""Heads: what sits on the encoder's features, a projector and a classifier among them."""

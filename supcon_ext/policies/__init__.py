"""Views: how an image becomes the augmented pictures that a network sees."""

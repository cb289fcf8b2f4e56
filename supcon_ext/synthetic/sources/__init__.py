"""Where synthetic samples come from, one a file."""

"""Label noise: one function each, known to recipes by its ``kind``."""

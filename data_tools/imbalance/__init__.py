"""Class imbalance: one function each, known to recipes by its ``kind``."""

"""What makes synthetic samples: one module for each generator."""

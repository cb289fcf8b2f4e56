"""Training: the stage loop, checkpoints, the bank of what is known of every sample."""

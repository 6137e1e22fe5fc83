"""Training: losses, profiles, checkpoints and the loop."""

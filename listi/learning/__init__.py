"""To see weak spots at once: what networks read, the networks, their training."""

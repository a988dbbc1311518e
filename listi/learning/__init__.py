"""Networks that predict thresholds from the structure: what they read, how they are built and trained."""

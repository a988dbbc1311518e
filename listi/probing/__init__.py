"""Where a glass is weak: the stress that a small disc takes before its first instability."""

"""From pixels to a patch of glass, and what such a patch predicts."""

"""What a threshold map predicts: goodness, ensemble statistics, sensitivity to choices."""

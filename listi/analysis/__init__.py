"""What a threshold map predicts: goodness, statistics of events and maps, other predictors."""

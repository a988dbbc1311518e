"""The numbers that the paper publishes, to stand beside ours in figures, notebooks and tests.

Source: Bachhav et al., Communications Physics (2025), doi 10.1038/s42005-025-02315-7, text and
captions.
"""

# Fig. 3 with its text: mean goodness of probing over 50 samples, "almost perfectly" falling to
# "around 0.8".
PROBING_MEAN = {1: 1.0, 6: 0.8}

# Figs. 7 and 8 with their text: mean goodness of the first event.
SEEN_FIRST_EVENT = {"lstm": 0.75, "cnn": 0.82, "gcn": 0.96}
UNSEEN_FIRST_EVENT = {"lstm": 0.50, "cnn": 0.75, "gcn": 0.93}

# Text to Fig. 6: correlation of predictions and targets; none is given for the other two networks.
CORRELATION = {"gcn": 0.96}

# Text to Figs. 4 to 6: epochs of training; edge of the images.
EPOCHS = {"lstm": 1500, "cnn": 300, "gcn": 1000}
PIXELS = 220

# Text to Fig. 10: goodness of the first event in the imaged patch.
IMAGED_FIRST_EVENT = 0.96

# Hours on an M1 Ultra to find the first event in one sample: by probing, or with training included.
HOURS = {"probing": 17.0, "lstm": 2.30, "cnn": 3.20, "gcn": 2.25}

"""What a glass is: atoms, bonds, rings, the periodic cell, and files of other programs."""

"""What a glass is: atoms, bonds, rings and the periodic cell; files of other programs."""

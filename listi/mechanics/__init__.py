"""How a glass bears load: potential, forces, energy minimum, shear."""

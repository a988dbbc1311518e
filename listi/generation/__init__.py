"""How a glass is made: bond switching from the honeycomb to given ring statistics."""

"""Files, parameters, notebooks and the chain that runs them."""

"""Local stress thresholds of two-dimensional network glasses: probed, and predicted by networks.

The public names stand in `__init__.pyi`, each beside its module, and are imported on first use, so `import listi` costs
little.
"""

import lazy_loader

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

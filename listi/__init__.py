"""Local stress thresholds of two-dimensional network glasses: probed, and predicted by networks.

`Network`, `generate`, `deform`, `probe`, `goodness` and `predict` are the doors; each lives in the
module named beside it below and is imported when it is first used, so `import listi` costs little.
"""

from importlib import import_module

# The function has its module's name. Importing it here, before anybody imports the module, keeps
# `listi.goodness` the function; `from listi.goodness import ...` still reaches the module.
from .goodness import goodness

__version__ = "0.1.0"
__all__ = [
    "Network",
    "__version__",
    "deform",
    "generate",
    "goodness",
    "predict",
    "probe",
    "relax",
    "yield_stress",
]

_HOME = {
    "Network": "network",
    "generate": "bondswitch",
    "deform": "deformation",
    "probe": "probing",
    "relax": "deformation",
    "predict": "models",
    "yield_stress": "probing",
}


def __getattr__(name: str):
    """Import a public name on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'listi' has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted(set(globals()) | set(__all__))

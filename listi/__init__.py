"""Local stress thresholds of two-dimensional network glasses: probed, and predicted by networks.

Each public name lives in the module named beside it in `_HOME` and is imported on first use, so `import listi` costs
little.
"""

from importlib import import_module

__version__ = "0.2.0"

_HOME = {
    "Network": "network.network",
    "Potential": "mechanics.potential",
    "deform": "mechanics.shear",
    "generate": "generation.generate",
    "goodness": "analysis.prediction_goodness",
    "predict": "learning.predict",
    "probe": "probing.probe",
    "relax": "mechanics.shear",
    "state_after": "mechanics.shear",
    "trace": "probing.probe",
    "yield_stress": "probing.probe",
}
__all__ = ["__version__", *_HOME]


def __getattr__(name: str):
    """Import a public name on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'listi' has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted(set(globals()) | set(__all__))

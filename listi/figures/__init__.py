"""One function per figure: takes data, returns a matplotlib figure; `save` writes it.

Examples
--------
>>> import listi
>>> glass = listi.generate(nx=10, ny=12)
>>> figure = listi.figures.glass(glass)
>>> [path.name for path in listi.figures.save(figure, ".", "glass")]
['glass.png', 'glass.pdf']
"""

from . import published
from .imaging import fig10, first_events, noise, overlay, structure_beside
from .learning import inputs, learning, reach
from .maps import fig9
from .mechanics import fig1, fig2
from .prediction import benchmark, forecast, fresh, late, strains
from .statistics import fig3, fig7, fig8, scores
from .structure import curves, glass, rings
from .style import save

__all__ = [
    "benchmark",
    "curves",
    "fig1",
    "fig2",
    "fig3",
    "fig7",
    "fig8",
    "fig9",
    "fig10",
    "first_events",
    "forecast",
    "fresh",
    "glass",
    "inputs",
    "late",
    "learning",
    "noise",
    "overlay",
    "published",
    "reach",
    "rings",
    "save",
    "scores",
    "strains",
    "structure_beside",
]

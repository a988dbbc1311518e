"""The public names, as in `listi.probe`, each beside the module that it stands in."""

from .analysis.follow import follow as follow
from .analysis.load import strain_to_failure as strain_to_failure
from .analysis.load import stress_rate as stress_rate
from .analysis.prediction_goodness import goodness as goodness
from .figures.explorer import explore as explore
from .generation.generate import generate as generate
from .learning.predict import predict as predict
from .mechanics.potential import Potential as Potential
from .mechanics.shear import deform as deform
from .mechanics.shear import relax as relax
from .mechanics.shear import state_after as state_after
from .network.network import Network as Network
from .probing.probe import probe as probe
from .probing.probe import trace as trace
from .probing.probe import yield_stress as yield_stress

__version__: str

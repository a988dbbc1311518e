"""The public names, as in `listi.probe`, each beside the module that it stands in."""

from . import figures as figures
from .analysis.follow import follow as follow
from .analysis.load import strain_to_failure as strain_to_failure
from .analysis.load import stress_rate as stress_rate
from .analysis.per_atom import per_atom as per_atom
from .analysis.prediction_goodness import goodness as goodness
from .analysis.sample import Sample as Sample
from .analysis.score import score as score
from .compendium.data_set import open_sample as open_sample
from .compendium.results import load as load
from .compendium.results import save as save
from .figures.explorer import explore as explore
from .figures.plot import plot as plot
from .generation.generate import generate as generate
from .generation.quench import quench as quench
from .learning.predict import predict as predict
from .learning.weakest import weakest as weakest
from .mechanics.calculator import ListiCalculator as ListiCalculator
from .mechanics.elasticity import elastic_moduli as elastic_moduli
from .mechanics.elasticity import energy as energy
from .mechanics.elasticity import forces as forces
from .mechanics.elasticity import hessian as hessian
from .mechanics.elasticity import stress as stress
from .mechanics.forms import lennard_jones as lennard_jones
from .mechanics.forms import silica as silica
from .mechanics.lammps import write_lammps as write_lammps
from .mechanics.potential import Potential as Potential
from .mechanics.rupture import rupture as rupture
from .mechanics.shear import deform as deform
from .mechanics.shear import relax as relax
from .mechanics.shear import state_after as state_after
from .network.bonds import network_of as network_of
from .network.formats import from_ase as from_ase
from .network.formats import to_ase as to_ase
from .network.formats import write_extxyz as write_extxyz
from .network.network import Network as Network
from .network.units import unit_registry as unit_registry
from .probing.probe import probe as probe
from .probing.probe import trace as trace
from .probing.probe import yield_stress as yield_stress

__version__: str

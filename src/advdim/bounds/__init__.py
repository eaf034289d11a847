"""Lower bounds on adversarial perturbations: the published ones, and sound ones.

>>> result = lower_bounds(network, inputs, normalisation)
>>> result.sound, result.sound_kind
"""

from advdim.bounds.compute import LowerBounds, PreparedNetwork, lower_bounds, prepare
from advdim.bounds.published import Conventions
from advdim.bounds.readers import UnsupportedLayer
from advdim.bounds.sound import SOUND_BOUNDS

__all__ = [
    "SOUND_BOUNDS",
    "Conventions",
    "LowerBounds",
    "PreparedNetwork",
    "UnsupportedLayer",
    "lower_bounds",
    "prepare",
]

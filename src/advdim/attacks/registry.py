"""The catalogue's attacks, ready to run; importing this loads no library of attacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from advdim.catalogue import attacks as catalogue
from advdim.catalogue.entries import Functions

if TYPE_CHECKING:
    from advdim.attacks.base import Attack

ATTACKS: Functions[Attack] = Functions(catalogue.ATTACKS)

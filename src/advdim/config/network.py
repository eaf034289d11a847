"""Settings of a network of any kind."""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Annotated

from pydantic import Discriminator, Tag

from advdim.catalogue.entries import load
from advdim.catalogue.networks import NETWORKS
from advdim.config.network_base import Network


def _kind(value: object) -> str:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return str(kind or next(iter(NETWORKS)))


if TYPE_CHECKING:
    AnyNetwork = Network
else:
    _TAGGED = [Annotated[load(entry.settings), Tag(kind)] for kind, entry in NETWORKS.items()]
    AnyNetwork = Annotated[functools.reduce(operator.or_, _TAGGED), Discriminator(_kind)]

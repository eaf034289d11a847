"""All attacks by name: those of ICML 2019, Appendix, Figure 4, and today's reference ensembles.

A new attack is an instance (or a subclass of 10 to 40 lines) and one line here; the property tests
cover whatever is registered.
"""

from __future__ import annotations

from functools import partial

from foolbox import attacks as foolbox_attacks

from advdim.attacks.autoattack import AutoAttack
from advdim.attacks.base import Attack
from advdim.attacks.fixed import ProjectedGradientDescent
from advdim.attacks.foolbox_suite import (
    BoundaryAttack,
    FoolboxAttack,
    FoolboxMinimalAttack,
    FoolboxOneStepAttack,
)

_ATTACKS: tuple[Attack, ...] = (
    FoolboxOneStepAttack(
        name="fgsm",
        norm="linf",
        reference="Goodfellow, Shlens, Szegedy (2015), arXiv:1412.6572",
        make=foolbox_attacks.LinfFastGradientAttack,
    ),
    FoolboxOneStepAttack(
        name="gradient_l2",
        norm="l2",
        reference="Simon-Gabriel et al. (2019), Eq. 2; Lyu et al. (2015), arXiv:1511.06385",
        make=foolbox_attacks.L2FastGradientAttack,
    ),
    FoolboxAttack(
        name="iterative_linf",
        norm="linf",
        reference="Kurakin, Goodfellow, Bengio (2017), arXiv:1607.02533",
        make=foolbox_attacks.LinfBasicIterativeAttack,
    ),
    FoolboxAttack(
        name="iterative_l2",
        norm="l2",
        reference="Kurakin, Goodfellow, Bengio (2017), arXiv:1607.02533",
        make=foolbox_attacks.L2BasicIterativeAttack,
    ),
    ProjectedGradientDescent(
        name="pgd_linf",
        norm="linf",
        reference="Madry et al. (2018), arXiv:1706.06083",
    ),
    ProjectedGradientDescent(
        name="pgd_l2",
        norm="l2",
        reference="Madry et al. (2018), arXiv:1706.06083",
    ),
    FoolboxMinimalAttack(
        name="deepfool_l2",
        norm="l2",
        reference="Moosavi-Dezfooli, Fawzi, Frossard (2016), arXiv:1511.04599",
        make=foolbox_attacks.L2DeepFoolAttack,
    ),
    FoolboxMinimalAttack(
        name="deepfool_linf",
        norm="linf",
        reference="Moosavi-Dezfooli, Fawzi, Frossard (2016), arXiv:1511.04599",
        make=foolbox_attacks.LinfDeepFoolAttack,
    ),
    FoolboxMinimalAttack(
        name="ddn_l2",
        norm="l2",
        reference="Rony et al. (2019), arXiv:1811.09600",
        make=foolbox_attacks.DDNAttack,
    ),
    BoundaryAttack(
        name="boundary_l2",
        norm="l2",
        reference="Brendel, Rauber, Bethge (2018), arXiv:1712.04248",
        block=100,
        # foolbox adapts its step lengths every 10 steps: too rarely for Figure 4's 2,000 steps
        make=partial(foolbox_attacks.BoundaryAttack, steps=2000, update_stats_every_k=1),
    ),
    AutoAttack(
        name="autoattack_linf",
        norm="linf",
        reference="Croce and Hein (2020), arXiv:2003.01690",
        block=32,
    ),
    AutoAttack(
        name="autoattack_l2",
        norm="l2",
        reference="Croce and Hein (2020), arXiv:2003.01690",
        block=32,
    ),
)

ATTACKS: dict[str, Attack] = {attack.name: attack for attack in _ATTACKS}

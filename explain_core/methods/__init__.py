"""The table of methods.  To add one: write its file, add its row.

Rows of an installed third-party package join through the entry point group `rhoscope.methods`;
each entry point names a `Method`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from explain_core.attacks import ATTACKS
from explain_core.errors import ParamError, suggest
from explain_core.methods import (
    adversarial,
    ape,
    baselines,
    excitation,
    extremal_perturbation,
    generator,
    gradcam,
    gradcam_plus_plus,
    gradient,
    guided_gradcam,
    integrated_gradients,
    lime,
    meaningful_perturbation,
    modified_backward,
    no_perceptual,
    normgrad,
    occlusion,
    perceptual_ball,
    rise,
    smoothgrad,
)
from explain_core.methods.attack import from_attack
from explain_core.methods.base import Method

GROUP = "rhoscope.methods"


def by_name(*methods: Method) -> dict[str, Method]:
    """A table of rows; two rows of one name are a mistake of whoever wrote them."""
    table: dict[str, Method] = {}
    for method in methods:
        if method.name in table:
            raise ValueError(f"two methods are called {method.name!r}")
        table[method.name] = method
    return table


def installed(points: Iterable[EntryPoint]) -> list[Method]:
    """Methods of third-party packages; what does not load, or is no Method, raises at once."""
    found = []
    for point in points:
        method = point.load()
        if not isinstance(method, Method):
            raise TypeError(f"entry point {point.name!r} of {GROUP} is a {type(method).__name__}, not a Method")
        found.append(method)
    return found


METHODS: Mapping[str, Method] = MappingProxyType(
    by_name(
        gradcam.METHOD,
        gradient.GRADIENT,
        gradient.INPUT_TIMES_GRADIENT,
        modified_backward.GUIDED_BACKPROP,
        modified_backward.DECONVNET,
        guided_gradcam.METHOD,
        gradcam_plus_plus.METHOD,
        smoothgrad.METHOD,
        integrated_gradients.METHOD,
        excitation.EXCITATION,
        excitation.CONTRASTIVE,
        normgrad.NORMGRAD,
        normgrad.SELECTIVE,
        occlusion.METHOD,
        rise.METHOD,
        lime.METHOD,
        meaningful_perturbation.METHOD,
        extremal_perturbation.METHOD,
        perceptual_ball.METHOD,
        no_perceptual.METHOD,
        ape.METHOD,
        generator.METHOD,
        adversarial.EXPLAIN_PLUS,
        adversarial.EXPLAIN_MINUS,
        baselines.CENTRE,
        baselines.BLUR_DIFFERENCE,
        *map(from_attack, ATTACKS.values()),
        *installed(entry_points(group=GROUP)),
    )
)


def get_method(name: str) -> Method:
    """The row of that name; raises ParamError."""
    if name not in METHODS:
        raise ParamError(f"No method {name!r}: {suggest(name, METHODS)}")
    return METHODS[name]

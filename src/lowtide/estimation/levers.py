"""What pulling levers would leave, one after the other over the four Ms, and nothing counted twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lowtide.data.levers import FOUR_MS, Lever, get_lever, levers
from lowtide.errors import InputError
from lowtide.estimation.ranged import Ranged

__all__ = ["Pull", "Step", "Waterfall", "bigger_levers", "parse_pull", "waterfall"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """A lever with the factor to use, and who says so.

    `computed` factors are of one plan, so those that overlap may be multiplied.
    """

    lever: Lever
    factor: Ranged
    source: str
    computed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a waterfall.

    Attributes
    ----------
    pull : Pull
    counted : bool
        False where another lever that is pulled contains this one.
    note : str
        Why not, or what overlap the product may hold.
    energy_fraction, carbon_fraction : float
        What is left of the start after this step.
    """

    pull: Pull
    counted: bool
    note: str
    energy_fraction: float
    carbon_fraction: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Waterfall:
    """Steps in the order model, machine, mechanization, map, and what is left at the end."""

    steps: tuple[Step, ...]
    energy_fraction: Ranged
    carbon_fraction: Ranged


def parse_pull(text: str) -> Pull:
    """Return the lever of ``fp16`` or ``less-data=2``, the factor dividing the energy or carbon.

    Raises
    ------
    InputError
        If there is no such lever, or the factor is below 1 or no number.

    Examples
    --------
    >>> parse_pull("less-data=2").factor.value, parse_pull("fp16").factor.value
    (2.0, 2.4)
    """
    name, equals, number = text.partition("=")
    lever = get_lever(name.strip())
    if not equals:
        amount = Ranged(low=lever.low, value=lever.value, high=lever.high)
        return Pull(lever=lever, factor=amount, source=lever.source)
    try:
        factor = float(number)
    except ValueError as error:
        raise InputError(
            f"{text!r}: the factor {number!r} is no number; write it like {lever.name}=2"
        ) from error
    if not 1.0 <= factor <= 1e6:
        left = (
            f"; to leave {factor:g} of it write {lever.name}={1 / factor:.3g}" if 0.0 < factor < 1.0 else ""
        )
        raise InputError(f"{text!r}: a lever divides, so its factor is 1 or more{left}")
    return Pull(lever=lever, factor=Ranged.exact(factor), source="as given")


def waterfall(pulls: Sequence[Pull]) -> Waterfall:
    """Return what the levers leave together, in the order of the four Ms.

    A lever that another one contains is not counted; of two that overlap the second is marked, because the
    product is then too good. Ranges multiply: low with low, high with high, as errors of studies that chose
    their best case point the same way.

    Raises
    ------
    InputError
        If a lever is named twice.

    Examples
    --------
    >>> both = waterfall([parse_pull("algorithmic"), parse_pull("fp16")])  # 12x contains the 2.4x
    >>> round(1 / both.energy_fraction.value, 6), [step.counted for step in both.steps]
    (12.0, [True, False])
    """
    names = [pull.lever.name for pull in pulls]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"lever {name!r} is named twice; a saving is made once")
    ordered = sorted(pulls, key=lambda pull: FOUR_MS.index(pull.lever.m))
    steps: list[Step] = []
    energy, carbon = [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]
    for pull in ordered:
        holder = next((p.lever.name for p in ordered if pull.lever.name in p.lever.contains), None)
        if holder is None:
            divisors = (pull.factor.low, pull.factor.value, pull.factor.high)
            carbon = [left / divisor for left, divisor in zip(carbon, divisors, strict=True)]
            if pull.lever.effect == "energy":
                energy = [left / divisor for left, divisor in zip(energy, divisors, strict=True)]
        steps.append(
            Step(
                pull=pull,
                counted=holder is None,
                note=_note(pull, holder, [step.pull for step in steps]),
                energy_fraction=energy[1],
                carbon_fraction=carbon[1],
            )
        )
    return Waterfall(steps=tuple(steps), energy_fraction=_left(energy), carbon_fraction=_left(carbon))


def _left(fractions: Sequence[float]) -> Ranged:
    """Return fractions left as a range: the smallest divisor leaves the most."""
    return Ranged(low=fractions[2], value=fractions[1], high=fractions[0])


def _note(pull: Pull, holder: str | None, before: Sequence[Pull]) -> str:
    if holder is not None:
        return f"not counted: {holder} contains it"
    shared = [
        other.lever.name
        for other in before
        if other.lever.name in pull.lever.overlaps and not (pull.computed and other.computed)
    ]
    if shared:
        return f"overlaps {', '.join(shared)}: together they save less than their product"
    return ""


def bigger_levers(
    *, phase: str = "training", pulled: Sequence[str] = (), pue: float | None = None, n: int = 4
) -> list[Lever]:
    """Return the levers not pulled yet that save most in that phase, the largest first, at most two of one M.

    A building with a PUE of 1.2 or less has no mechanization lever left.

    Examples
    --------
    >>> [lever.name for lever in bigger_levers(pue=1.1, n=3)]
    ['algorithmic', 'gpu-for-cpu', 'clean-region']
    """
    taken = {*pulled, *(part for name in pulled for part in get_lever(name).contains)}
    possible = [
        lever
        for lever in levers()
        if lever.phase in (phase, "both")
        and lever.name not in taken
        and not (lever.m == "mechanization" and pue is not None and pue <= 1.2)
    ]
    chosen: list[Lever] = []
    for lever in sorted(possible, key=lambda lever: -lever.value):
        contained = any(lever.name in other.contains for other in chosen)
        if not contained and sum(other.m == lever.m for other in chosen) < 2:
            chosen.append(lever)
    return chosen[:n]

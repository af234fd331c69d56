"""What cannot be true of a claimed footprint, and which slip would explain it.

Every rule compares two ways to the same figure; a ratio that is a well-known factor (1000, a PUE, pounds for
kilograms) names the slip. The rules see the errors that published documents really contain.
"""

from __future__ import annotations

from lowtide.data.accelerator_training import find_accelerator, measured_power, peak_of
from lowtide.data.constants import constant
from lowtide.data.intensity import yearly_mean
from lowtide.errors import InputError
from lowtide.estimation.flops import training_flops
from lowtide.estimation.slips import Claim, Finding, Severity, slip_of, unit_slip
from lowtide.units import H_PER_YEAR

__all__ = ["check_claim"]

_AGREES = 0.05
_TIMES_A_ZONE = 3.0
"""A zone's hour can differ from its year by that much; a training of weeks hardly does."""
_LEAST_MFU, _MOST_MFU = 0.08, 0.75
_LEAST_OVER_TDP = 0.1


def check_claim(claim: Claim) -> list[Finding]:
    """Return what every rule that has its figures says, the worst first.

    Raises
    ------
    InputError
        If nothing can be checked; says which figures would do.

    Examples
    --------
    >>> card = Claim(energy_kwh=1_287_000.0, emissions_g=5_521e6)  # ten times the printed 552.1 t
    >>> found = check_claim(card)[0]
    >>> found.severity, found.message[:43]
    ('impossible', '5.52e+09 g over 1.29e+06 kWh are 4290 g/kWh')
    """
    rules = (_pue, _hours, _intensity, _stated_intensity, _power, _energy, _tokens, _rate, _water, _saving)
    found = [finding for rule in rules for finding in rule(claim)]
    if not found:
        raise InputError(
            "nothing to compare: give at least two of energy, emissions, GPUs with hours, intensity or zone, "
            "parameters with tokens"
        )
    order: tuple[Severity, ...] = ("impossible", "suspicious", "unknown", "fine")
    return sorted(found, key=lambda finding: order.index(finding.severity))


def _pue(claim: Claim) -> list[Finding]:
    if claim.pue is None:
        return []
    if claim.pue < 1.0 or claim.pue > 5.0:
        message = f"a PUE of {claim.pue:g} cannot be: a facility draws 1.0 to 3 times what its nodes draw"
        slip = (
            "its inverse was printed" if 0.2 < claim.pue < 1.0 else "a percentage" if claim.pue >= 100 else ""
        )
        return [Finding(rule="pue", severity="impossible", message=message, slip=slip)]
    return [Finding(rule="pue", severity="fine", message=f"a PUE of {claim.pue:g} can be")]


def _hours(claim: Claim) -> list[Finding]:
    if claim.hours is not None and claim.hours > 20 * H_PER_YEAR:
        message = f"{claim.hours:g} h elapsed are {claim.hours / H_PER_YEAR:.0f} years"
        return [
            Finding(rule="hours", severity="impossible", message=message, slip="GPU-hours taken for hours")
        ]
    if claim.n_gpus is None or claim.hours is None or claim.gpu_hours is None:
        return []
    ratio = claim.gpu_hours / (claim.n_gpus * claim.hours)
    product = claim.n_gpus * claim.hours
    message = f"{claim.n_gpus:g} x {claim.hours:g} h are {product:g} GPU-hours, not {claim.gpu_hours:g}"
    if abs(ratio - 1.0) < 0.001:
        return [Finding(rule="hours", severity="fine", message="GPUs, hours and GPU-hours agree")]
    severity: Severity = "suspicious" if abs(ratio - 1.0) < _AGREES else "impossible"
    slip = "a digit was mistyped" if abs(ratio - 1.0) < _AGREES else slip_of(ratio)
    return [Finding(rule="hours", severity=severity, message=message, slip=slip)]


def _energy_for_intensity(claim: Claim) -> tuple[float, str] | None:
    """Return the energy that emissions are compared with, printed or estimated from the hardware."""
    if claim.energy_kwh is not None:
        return claim.energy_kwh, f"{claim.energy_kwh:.3g} kWh"
    found = _hardware_kwh(claim)
    return None if found is None else (found[0], f"about {found[0]:.3g} kWh ({found[1]})")


def _intensity(claim: Claim) -> list[Finding]:
    energy = _energy_for_intensity(claim)
    if claim.emissions_g is None or energy is None:
        return []
    kwh, words = energy
    implied = claim.emissions_g / kwh
    bounds = constant("plausible_intensity_g_per_kwh")
    message = f"{claim.emissions_g:.3g} g over {words} are {implied:.4g} g/kWh"
    typical = _typical(claim)
    if not bounds.low <= implied <= bounds.high:
        right = claim.intensity_g_per_kwh or typical or bounds.value
        return [Finding(rule="implied intensity", severity="impossible", slip=unit_slip(implied, right),
                        message=f"{message}; grids lie between {bounds.low:g} and {bounds.high:g}")]  # fmt: skip
    found = _against_stated(claim, implied, message)
    if typical is not None and not typical / _TIMES_A_ZONE <= implied <= typical * _TIMES_A_ZONE:
        told = f"{message}; {claim.zone} has {typical:.0f} g/kWh in a year"
        slip = unit_slip(implied, typical)
        found.append(Finding(rule="zone", severity="impossible", message=told, slip=slip))
    return found or [
        Finding(rule="implied intensity", severity="fine", message=f"{message}, which a grid can have")
    ]


def _against_stated(claim: Claim, implied: float, message: str) -> list[Finding]:
    stated = claim.intensity_g_per_kwh
    if stated is None or claim.energy_kwh is None:
        return []
    ratio = implied / stated
    if abs(ratio - 1.0) <= 0.02:
        return [Finding(rule="implied intensity", severity="fine", message=f"{message}, as stated")]
    severity: Severity = "suspicious" if abs(ratio - 1.0) <= 0.7 else "impossible"
    told = f"{message}, {ratio:.3g} times the stated {stated:.4g}"
    return [
        Finding(rule="implied intensity", severity=severity, message=told, slip=slip_of(ratio, pue=claim.pue))
    ]


def _typical(claim: Claim) -> float | None:
    mean = None if claim.zone is None else yearly_mean(claim.zone, "lifecycle")
    return None if mean is None else mean.g_per_kwh


def _stated_intensity(claim: Claim) -> list[Finding]:
    stated, bounds = claim.intensity_g_per_kwh, constant("plausible_intensity_g_per_kwh")
    if stated is None or bounds.low <= stated <= bounds.high:
        return []
    slip = "kg/kWh was meant as kg/MWh, which is the same number as g/kWh" if stated > 1e4 else ""
    slip = slip or ("kg/kWh was taken for g/kWh" if stated < bounds.low else "")
    message = (
        f"an intensity of {stated:g} g/kWh cannot be: grids lie between {bounds.low:g} and {bounds.high:g}"
    )
    return [Finding(rule="stated intensity", severity="impossible", message=message, slip=slip)]


def _power(claim: Claim) -> list[Finding]:
    gpu_hours, watts = claim.all_gpu_hours, claim.power_w
    said = "stated" if watts is not None else "implied"
    if watts is None and claim.energy_kwh is not None and gpu_hours is not None:
        pue = claim.pue if claim.pue and claim.energy_of == "facility" else 1.0
        watts = claim.energy_kwh * 1000.0 / gpu_hours / pue
    found = None if claim.gpu is None else find_accelerator(claim.gpu)
    if claim.gpu is not None and found is None:
        message = f"{claim.gpu!r} is not in the catalogue, so its power and arithmetic cannot be judged"
        return [Finding(rule="hardware", severity="unknown", message=message)]
    if watts is None or found is None:
        return []
    ratio, limit = watts / found.tdp_w, constant("plausible_watts_over_tdp").value
    times = f"{ratio:.2g} times its design power of {found.tdp_w:g} W"
    message = f"{watts:.4g} W for each {found.name} ({said}) are {times}"
    if ratio > limit:
        slip = slip_of(ratio, pue=claim.pue) or (
            "the power of a node, or PUE and host on top" if ratio < 16 else ""
        )
        return [Finding(rule="power", severity="impossible", message=message, slip=slip)]
    if ratio < _LEAST_OVER_TDP:
        return [
            Finding(
                rule="power", severity="suspicious", message=f"{message}: less than idle", slip=slip_of(ratio)
            )
        ]
    return [Finding(rule="power", severity="fine", message=message)]


def _hardware_kwh(claim: Claim) -> tuple[float, str] | None:
    """Return the energy at the node that hardware and hours say, and from what."""
    gpu_hours = claim.all_gpu_hours
    if gpu_hours is None:
        return None
    found = None if claim.gpu is None else find_accelerator(claim.gpu)
    if claim.power_w is not None:
        return gpu_hours * claim.power_w / 1000.0, f"{gpu_hours:.4g} GPU-hours at {claim.power_w:g} W"
    if found is None:
        return None
    metered = measured_power(found.name)
    watts = metered.power_w if metered is not None and metered.boundary == "node" else found.tdp_w
    return gpu_hours * watts / 1000.0, f"{gpu_hours:.4g} GPU-hours at {watts:g} W of {found.name}"


def _energy(claim: Claim) -> list[Finding]:
    hardware = _hardware_kwh(claim)
    if claim.energy_kwh is None or hardware is None or claim.power_w is None:
        return []
    expected, words = hardware
    if claim.energy_of == "facility" and claim.pue is not None:
        expected, words = expected * claim.pue, f"{words} x PUE {claim.pue:g}"
    ratio = claim.energy_kwh / expected
    message = f"{claim.energy_kwh:.4g} kWh against {expected:.4g} kWh from {words}"
    if abs(ratio - 1.0) <= 0.01:
        return [Finding(rule="energy", severity="fine", message=message)]
    slip = slip_of(ratio, pue=claim.pue)
    severity: Severity = "suspicious" if abs(ratio - 1.0) <= 0.7 else "impossible"
    return [Finding(rule="energy", severity=severity, message=message, slip=slip)]


def _arithmetic(claim: Claim) -> float | None:
    if claim.flops is not None or claim.n_parameters is None or claim.n_tokens is None:
        return claim.flops
    active = claim.n_active_parameters
    return training_flops(claim.n_parameters, claim.n_tokens, n_active_parameters=active)


def _tokens(claim: Claim) -> list[Finding]:
    flops, gpu_hours = _arithmetic(claim), claim.all_gpu_hours
    peak = None if claim.gpu is None else peak_of(claim.gpu, claim.bits)
    if flops is None or gpu_hours is None or peak is None:
        return []
    mfu = flops / (gpu_hours * 3600.0 * peak)
    message = f"{flops:.3g} FLOP in {gpu_hours:.3g} GPU-hours are {mfu:.2g} of the peak of {claim.gpu}"
    if mfu > 1.0:
        slip = (
            slip_of(mfu)
            or "too few hours, or total parameters of a mixture of experts instead of active ones"
        )
        return [Finding(rule="tokens against hours", severity="impossible", message=message, slip=slip)]
    if not _LEAST_MFU <= mfu <= _MOST_MFU:
        slip = "" if mfu > _MOST_MFU else "hours of other models or runs are in the figure"
        return [Finding(rule="tokens against hours", severity="suspicious", message=message, slip=slip)]
    return [Finding(rule="tokens against hours", severity="fine", message=message)]


def _rate(claim: Claim) -> list[Finding]:
    counts = {"token": claim.n_tokens, "parameter": claim.n_parameters, "flop": _arithmetic(claim)}
    count = counts.get(claim.rate_unit)
    if claim.rate_g is None or claim.emissions_g is None or count is None:
        return []
    right = claim.emissions_g / count * claim.rate_size
    what = f"{claim.rate_size:g} {claim.rate_unit}"
    message = f"{claim.emissions_g:.4g} g over {count:.4g} {claim.rate_unit}s are {right:.4g} g per {what}"
    if claim.rate_g and abs(claim.rate_g / right - 1.0) <= 0.02:
        return [Finding(rule="rate", severity="fine", message=message)]
    slip = slip_of(right / claim.rate_g) if claim.rate_g else ""
    return [
        Finding(rule="rate", severity="impossible", message=f"{message}, not {claim.rate_g:.4g}", slip=slip)
    ]


def _water(claim: Claim) -> list[Finding]:
    if claim.water_l is None or claim.wue_l_per_kwh is None or claim.energy_kwh is None:
        return []
    pue = claim.pue if claim.pue and claim.energy_of != "facility" else 1.0
    expected = claim.energy_kwh * pue * claim.wue_l_per_kwh
    ratio = claim.water_l / expected
    message = (
        f"{claim.water_l:.4g} L against {expected:.4g} L from energy, PUE and {claim.wue_l_per_kwh:g} L/kWh"
    )
    if abs(ratio - 1.0) <= 0.02:
        return [Finding(rule="water", severity="fine", message=message)]
    return [Finding(rule="water", severity="suspicious", message=message, slip=slip_of(ratio, pue=claim.pue))]


def _saving(claim: Claim) -> list[Finding]:
    if claim.before is None or claim.after is None or claim.saving_fraction is None:
        return []
    right = 1.0 - claim.after / claim.before
    message = f"from {claim.before:g} to {claim.after:g} is a saving of {right:.1%}"
    if abs(right - claim.saving_fraction) <= 0.005:
        return [Finding(rule="saving", severity="fine", message=message)]
    slip = "the share was taken of the smaller figure" if claim.after and abs(
        claim.before / claim.after - 1.0 - claim.saving_fraction) <= 0.005 else ""  # fmt: skip
    told = f"{message}, not {claim.saving_fraction:.1%}"
    return [Finding(rule="saving", severity="impossible", message=told, slip=slip)]

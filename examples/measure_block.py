"""Measure a block and a function of your own program, and count what was done in them.

    python examples/measure_block.py

Both become runs in the ledger, as if ``lowtide run`` had started them. What does not depend on the machine is
printed to standard output, the figures to standard error; ``lowtide show block`` has all of them.
"""

from __future__ import annotations

import sys

import lowtide


def primes_below(n: int) -> list[int]:
    """Return the primes below `n`."""
    is_prime = bytearray([0, 0]) + bytearray([1]) * (n - 2)
    for i in range(2, int(n**0.5) + 1):
        if is_prime[i]:
            is_prime[i * i :: i] = bytes(len(range(i * i, n, i)))
    return [i for i in range(n) if is_prime[i]]


@lowtide.measured(name="function", zone="FR")
def last_prime_below(n: int) -> int:
    """Return the last prime below `n`; every call is a run."""
    return primes_below(n)[-1]


def main() -> None:
    """Measure a block, then a function."""
    with lowtide.measure(name="block", zone="DE", per="1000:prime") as m:
        for n in (10_000, 100_000, 1_000_000):
            m.count("prime", len(primes_below(n)))
    bill = m.result
    if bill is None or bill.emissions.location is None or bill.sci is None:
        print("nothing was recorded; the warnings say why")
        return
    print(f"{bill.energy.total_kwh:.2g} kWh, {bill.emissions.location.g:.2g} g CO2e", file=sys.stderr)
    print(f"energy is known: {bill.energy.total_kwh > 0.0}, at the {bill.energy.boundary}")
    print(
        f"carbon is known: {bill.emissions.location.intensity.zone}, {bill.emissions.location.intensity.basis}"
    )
    print(f"counted: {bill.sci.denominator * 1000:.0f} primes; the SCI is per {bill.sci.functional_unit}")
    print(f"the last prime below 1000: {last_prime_below(1000)}")


if __name__ == "__main__":
    main()

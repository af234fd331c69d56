"""Findings about a claim, as JSON and in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lowtide.estimation.slips import Claim, Finding
from lowtide.reporting.estimates_plain import plain_of

__all__ = ["check_plain", "check_text"]


def check_plain(claim: Claim, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the JSON of ``lowtide check``."""
    return {
        "claim": {key: value for key, value in plain_of(claim).items() if value not in (None, "")},
        "verdict": _worst(findings),
        "findings": [plain_of(finding) for finding in findings],
    }


def _worst(findings: Sequence[Finding]) -> str:
    worst = findings[0].severity
    return "plausible" if worst == "fine" else worst


def check_text(claim: Claim, findings: Sequence[Finding]) -> str:
    """Return findings, the worst first, with the slip that would explain each."""
    lines = [claim.title] if claim.title else []
    for finding in findings:
        lines.append(f"{finding.severity:<11} {finding.rule}: {finding.message}")
        if finding.slip:
            lines.append(f"{'':<11} perhaps {finding.slip}")
    lines.append(f"verdict     {_worst(findings)}")
    return "\n".join(lines)

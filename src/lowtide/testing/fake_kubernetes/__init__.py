"""A Kubernetes API server with its Job controller, and Kueue, on loopback: as strict and as treacherous as they are.

The tests hold it against kubectl, lightkube and the ``kubernetes`` client. What it lacks: schemas beyond Jobs,
admission other than Kueue's, pagination, and access rights.
"""

from lowtide.testing.fake_kubernetes.controllers import JobController, Kueue
from lowtide.testing.fake_kubernetes.server import FakeKubernetes

__all__ = ["FakeKubernetes", "JobController", "Kueue"]

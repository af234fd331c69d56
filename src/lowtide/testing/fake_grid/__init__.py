"""Stand-ins for the services that tell carbon intensity, as strict and as treacherous as they are.

Each fake answers in process (:meth:`Service.respond`) and, through :func:`serve`, on loopback for real clients. What
it tells is a function of place and time (:mod:`lowtide.testing.fake_grid.truth`), so a test knows what must come out.
"""

from lowtide.testing.fake_grid.service import Asked, Fake, Reply, Service, serve

__all__ = ["Asked", "Fake", "Reply", "Service", "serve"]

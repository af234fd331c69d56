"""Policies, one file each: a module with a ``name``, whether it is ``joint`` over sites, and ``plan``."""

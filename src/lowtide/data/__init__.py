"""The facts lowtide ships: small CSV tables that say where each figure comes from.

``tables`` reads and checks them; ``zones``, ``intensity`` and ``factors`` hand them out as typed
values. Nothing here imports numpy, and a table is read the first time somebody asks for it.
"""

"""Power: sensors, the process tree they are read for, and the sampler that reads them all at once.

Everything here runs in the recorder, a process of its own that must stay small: standard library
only, and a vendor's library is imported when its sensor is opened.
"""

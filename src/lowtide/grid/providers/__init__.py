"""Sources of carbon intensity, one file each behind the door :class:`lowtide.doors.Provider`.

Each is a frozen dataclass that yields requests and receives responses; ``dataclasses.replace`` gives it another
``base_url``, step or set of factors. What all of them share is strict reading (a reply that is not what the source
promises ends in one error and nothing of it is used) and one way from stamped values to steps.
"""

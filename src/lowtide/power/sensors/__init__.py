"""One file a sensor; see :class:`lowtide.doors.Sensor`."""

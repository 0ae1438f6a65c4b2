"""Rally computation without I/O: fixes, readings, commands in; events, rows, snapshots out.

May import the records of firmware_bridge and the TOML reader. Uses no clock, port, thread or database, and imports none
of the packages that use it: live document, recorder, review, export, crew page, demonstration.
"""

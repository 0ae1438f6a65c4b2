"""Pure rally knowledge: fixes, readings and commands in; events, progress rows and snapshots out.

It may know the records of firmware_bridge and how TOML files are read; no clock, port, thread or database, and none of
the rooms that use it: live document, recorder, review, export, crew's page, demonstration.
"""

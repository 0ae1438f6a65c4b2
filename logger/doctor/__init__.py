"""Diagnose the car's set-up.

The `probe_*` modules collect data from ports, recorder, logs and machine; the `judge_*` modules turn plain data into
findings and do no I/O, so that every verdict is tested with a table. `examination` runs both.
"""

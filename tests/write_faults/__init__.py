"""Write faults: a full disk or a kill at each write of every verb that writes, and Ctrl-C."""

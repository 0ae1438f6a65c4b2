"""Judge a recording after the stage: evidence, speeds, waypoints, penalties and engine, as values. Draws nothing."""

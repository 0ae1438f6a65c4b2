"""Review a recording after the stage: speed, penalties, waypoints, evidence; as tables, JSON and pages."""

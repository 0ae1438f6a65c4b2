"""Several cars, from their reports: gaps over one section, sectors, where time is lost, class tables. Draws nothing."""

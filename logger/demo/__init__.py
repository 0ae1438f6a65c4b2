"""Built-in stages, the virtual drives along them, and the demo and simulate commands."""

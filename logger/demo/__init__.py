"""The built-in stages and the virtual drive along them."""

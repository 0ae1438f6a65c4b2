"""A whole stage's logs, faster than it was driven: the virtual car's bytes through the recorder's own pipeline.

One process a car; each writes its own log and tells how far it is.
"""

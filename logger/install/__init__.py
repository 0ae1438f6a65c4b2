"""The installer: puts stagelog into a machine or an image of one, and takes it out again.

plan says what is to be where, as data; change finds what differs and how to say it; apply does it, through
root, which never leaves the machine it was given; record remembers what was there before.
"""

"""Install stagelog into a machine or a disk image, and uninstall it.

`plan` lists the steps as data; `change` compares them with the machine; `apply` carries the changes out through `root`,
which never writes outside the given machine; `record` stores what was there before.
"""

"""Whom an address belongs to: what is counted by client is counted by place.

One machine has a whole /64 of routed IPv6 addresses. A link-local network is a /64 too, and everybody in the car is
in it, so there an address stands for itself. An IPv4 address is the same place in its IPv6 clothes.
"""

from __future__ import annotations

import ipaddress


def place(address: str) -> str:
    """The place of a client's address; what is no address is its own."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ip) if ip.is_link_local else str(ipaddress.ip_network((ip, 64), strict=False))

"""Map a client's IP address to the key that limits per client are counted by.

One machine has a whole /64 of routed IPv6 addresses, so the /64 is the key. A link-local network is also a /64, shared
by everybody in the car, so there the single address is the key. An IPv4-mapped IPv6 address has its IPv4 address's key.
"""

from __future__ import annotations

import ipaddress


def client_key(address: str) -> str:
    """The key of a client's address; a string that is not an IP address is its own key."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ip) if ip.is_link_local else str(ipaddress.ip_network((ip, 64), strict=False))

"""Which hosts are this machine."""

from ipaddress import IPv6Address, ip_address


def is_loopback(host: str) -> bool:
    """Return whether a host, without port and brackets, is localhost, a name below it, or a loopback address."""
    if f".{host.lower()}".endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return ((isinstance(address, IPv6Address) and address.ipv4_mapped) or address).is_loopback

//! Where a client calls from, as far as it shares what an address may take with others.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// An address of IPv4, or a network of IPv6 of 64 bits, of which one client has all addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Peer(IpAddr);

impl Peer {
    /// Of the other end of a connection.
    pub(crate) fn of(address: SocketAddr) -> Self {
        match address.ip().to_canonical() {
            IpAddr::V6(address) if !address.is_loopback() => {
                let [a, b, c, d, ..] = address.segments();
                Self(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
            address => Self(address),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V6(network) if !network.is_loopback() => write!(f, "{network}/64"),
            address => write!(f, "{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_one_address_or_one_network() {
        let peer = |address: &str| Peer::of(address.parse().unwrap()).to_string();
        for (address, shown) in [
            ("10.0.0.1:1", "10.0.0.1"),
            ("[::ffff:10.0.0.1]:1", "10.0.0.1"),
            ("[::1]:1", "::1"),
            ("[2001:db8:1:2:3:4:5:6]:1", "2001:db8:1:2::/64"),
            ("[2001:db8:1:2:ffff::]:2", "2001:db8:1:2::/64"),
        ] {
            assert_eq!(peer(address), shown);
        }
    }
}

//! Which addresses are on the public internet, and which nobody may open.
//! It must never ask the standard library's predicates: they know 7 of the 24 dangerous blocks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A block of IPv4 addresses: its first address and the length of its prefix in bits.
type Block4 = (Ipv4Addr, u32);

/// A block of IPv6 addresses: its first address and the length of its prefix in bits.
type Block6 = (Ipv6Addr, u32);

/// The unicast space of IPv4, from which [`SPECIAL_4`] is taken away.
const UNICAST_4: (Ipv4Addr, Ipv4Addr) =
    (Ipv4Addr::new(1, 0, 0, 0), Ipv4Addr::new(223, 255, 255, 255));

/// Blocks of the IANA IPv4 special-purpose registry inside the unicast space, anycast services too:
/// <https://www.iana.org/assignments/iana-ipv4-special-registry>.
const SPECIAL_4: [Block4; 15] = [
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 52, 193, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(192, 175, 48, 0), 24),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
];

/// The only part of IPv6 that IANA assigns as global unicast (RFC 3513 section 4).
const UNICAST_6: Block6 = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Blocks of the IANA IPv6 special-purpose registry inside [`UNICAST_6`]:
/// <https://www.iana.org/assignments/iana-ipv6-special-registry>.
/// `2001::/23` holds Teredo, benchmarking and ORCHID; `2002::/16` is 6to4.
const SPECIAL_6: [Block6; 5] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// The translation prefix of DNS64, as public as the IPv4 address it ends with (RFC 6052).
const NAT64: Block6 = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// The translation prefix for local use, never public (RFC 8215).
const NAT64_LOCAL: Block6 = (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48);

/// IPv4 that no operator can open: unspecified, link-local with the metadata services, the metadata
/// addresses of Alibaba, Oracle and Azure, multicast, and limited broadcast.
const NEVER_4: [Block4; 7] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(100, 100, 100, 200), 32),
    (Ipv4Addr::new(192, 0, 0, 192), 32),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(255, 255, 255, 255), 32),
];

/// IPv6 that no operator can open: unspecified, link-local and site-local, the metadata addresses of
/// AWS and Google, and multicast.
const NEVER_6: [Block6; 6] = [
    (Ipv6Addr::UNSPECIFIED, 128),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10),
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128),
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
];

/// Returns whether an address is global unicast by the IANA special-purpose registries.
///
/// IPv4 written inside IPv6 counts as the IPv4 address where the network treats it so (mapped,
/// NAT64); the retired forms (compatible, 6to4, Teredo) are never global.
pub fn is_global(address: IpAddr) -> bool {
    if is_never(address) {
        return false;
    }
    match canonical(address) {
        IpAddr::V4(v4) => {
            (UNICAST_4.0..=UNICAST_4.1).contains(&v4)
                && !SPECIAL_4.iter().any(|block| contains_4(block, v4))
        }
        IpAddr::V6(v6) if contains_6(&NAT64, v6) => is_global(IpAddr::V4(last_32_bits(v6))),
        IpAddr::V6(v6) => {
            contains_6(&UNICAST_6, v6) && !SPECIAL_6.iter().any(|block| contains_6(block, v6))
        }
    }
}

/// Returns whether an address stays closed whatever ranges the operator opens.
///
/// An IPv6 address is also closed when any IPv4 address it carries is.
pub(super) fn is_never(address: IpAddr) -> bool {
    match canonical(address) {
        IpAddr::V4(v4) => NEVER_4.iter().any(|block| contains_4(block, v4)),
        IpAddr::V6(v6) => {
            NEVER_6.iter().any(|block| contains_6(block, v6))
                // An unused place for an embedded address reads as zero; that says nothing.
                || embedded(v6)
                    .into_iter()
                    .flatten()
                    .any(|v4| v4.octets()[0] != 0 && is_never(IpAddr::V4(v4)))
        }
    }
}

/// Returns the address the kernel would dial: a mapped IPv4 address becomes the IPv4 address.
pub(super) fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Returns the IPv4 addresses that a translator or tunnel could take out of an IPv6 address.
fn embedded(v6: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let part = v6.segments();
    let pair =
        |high: u16, low: u16| Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    if contains_6(&NAT64_LOCAL, v6) {
        // RFC 6052 section 2.2: a /48 prefix puts the address around bits 64 to 71, a /96 at the end.
        let around = pair(part[3], (part[4] & 0xff) << 8 | part[5] >> 8);
        return [around, Some(last_32_bits(v6))];
    }
    if contains_6(&NAT64, v6) {
        return [Some(last_32_bits(v6)), None];
    }
    match part {
        // Compatible (`::a.b.c.d`); `::1` is loopback.
        [0, 0, 0, 0, 0, 0, high, low] if v6 != Ipv6Addr::LOCALHOST => [pair(high, low), None],
        // IPv4-translated, `::ffff:0:a.b.c.d` (RFC 2765).
        [0, 0, 0, 0, 0xffff, 0, high, low] => [pair(high, low), None],
        [0x2002, high, low, ..] => [pair(high, low), None],
        // Teredo: the server in clear, the client inverted (RFC 4380 section 4).
        [0x2001, 0, high, low, _, _, last_high, last_low] => {
            [pair(high, low), pair(!last_high, !last_low)]
        }
        // ISATAP under any prefix (RFC 5214 section 6.1).
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => [pair(high, low), None],
        _ => [None, None],
    }
}

fn last_32_bits(v6: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = v6.octets();
    Ipv4Addr::new(a, b, c, d)
}

fn contains_4((first, bits): &Block4, v4: Ipv4Addr) -> bool {
    (first.to_bits() ^ v4.to_bits()).leading_zeros() >= *bits
}

fn contains_6((first, bits): &Block6, v6: Ipv6Addr) -> bool {
    (first.to_bits() ^ v6.to_bits()).leading_zeros() >= *bits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Table M2 of the threat list, the spellings of B01, and the edges of every block.
    const CLOSED: &str = "
        0.0.0.0 0.255.255.255 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1
        127.255.255.255 168.63.129.16 169.254.0.0 169.254.169.254 169.254.255.255 172.16.0.1
        172.31.255.255 192.0.0.192 192.0.0.9 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1
        192.168.0.1 192.168.255.255 192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.1
        203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
        :: ::1 ::7f00:1 ::a00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254
        ::ffff:0:10.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b::a00:1 64:ff9b:1::1 64:ff9b:1::808:808
        100::1 2001::1 2001:0:a00:1::1 2001:2::1 2001:20::1 2001:1ff:ffff::1 2001:db8::1
        2002:7f00:1:: 2002:a9fe:a9fe:: 2002:808:808:: 2620:4f:8000::1 3fff::1 3fff:fff::1
        4000::1 5f00::1 fc00::1 fd00:ec2::254 fd20:ce::254 fdff::1 fe80::1 febf::1 fec0::1
        ff02::1 ff0e::1";

    const OPEN: &str = "
        1.0.0.1 1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255
        128.0.0.0 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.0.3.0
        192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 203.0.112.255 203.0.114.0
        223.255.255.255 ::ffff:8.8.8.8 64:ff9b::808:808 2001:200::1 2001:4860:4860::8888
        2001:db9::1 2003::1 2606:4700:4700::1111 2a00:1450::1 2c0f::1 3ffe::1";

    fn addresses(list: &str) -> impl Iterator<Item = IpAddr> {
        list.split_whitespace().map(|text| text.parse().unwrap())
    }

    #[test]
    fn special_purpose_addresses_are_not_global() {
        let wrong: Vec<_> = addresses(CLOSED).filter(|ip| is_global(*ip)).collect();
        assert_eq!(wrong, Vec::<IpAddr>::new());
    }

    #[test]
    fn neighbours_of_special_blocks_are_global() {
        let wrong: Vec<_> = addresses(OPEN).filter(|ip| !is_global(*ip)).collect();
        assert_eq!(wrong, Vec::<IpAddr>::new());
    }

    #[test]
    fn link_local_under_any_disguise_is_never_open() {
        let list = "169.254.169.254 ::ffff:169.254.169.254 ::a9fe:a9fe ::ffff:0:a9fe:a9fe
            64:ff9b::a9fe:a9fe 64:ff9b:1:a9fe:a9:fe00:: 64:ff9b:1::a9fe:a9fe 2002:a9fe:a9fe::1
            2001:0:a9fe:a9fe::1 2001:0:808:808::5601:5601 2a00::5efe:a9fe:a9fe
            fd00:ec2::254 fd20:ce::254 fe80::1 :: 0.0.0.0 224.0.0.1 ff02::1 255.255.255.255";
        let wrong: Vec<_> = addresses(list).filter(|ip| !is_never(*ip)).collect();
        assert_eq!(wrong, Vec::<IpAddr>::new());
    }

    #[test]
    fn private_addresses_can_be_opened() {
        let list = "127.0.0.1 ::1 10.0.0.1 192.168.1.1 172.16.0.1 100.64.0.1 fd12::1 8.8.8.8
            64:ff9b:1::a00:1";
        let wrong: Vec<_> = addresses(list).filter(|ip| is_never(*ip)).collect();
        assert_eq!(wrong, Vec::<IpAddr>::new());
    }

    proptest! {
        #[test]
        fn what_is_never_open_is_never_global(bits: u128, prefix in 0usize..6) {
            let first = [0, 0x0064_ff9b << 96, 0x2002 << 112, 0x2001 << 112, 0xfe80 << 112, 0xffff << 32];
            let v6 = IpAddr::V6(Ipv6Addr::from_bits(first[prefix] | bits >> (prefix * 16)));
            prop_assert!(!(is_never(v6) && is_global(v6)));
        }

        #[test]
        fn a_mapped_address_counts_as_its_ipv4(bits: u32) {
            let v4 = Ipv4Addr::from_bits(bits);
            let mapped = IpAddr::V6(v4.to_ipv6_mapped());
            prop_assert_eq!(is_global(mapped), is_global(IpAddr::V4(v4)));
            prop_assert_eq!(is_never(mapped), is_never(IpAddr::V4(v4)));
        }

        #[test]
        fn whatever_the_predicates_catch_is_not_global(bits: u32) {
            let v4 = Ipv4Addr::from_bits(bits);
            if v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_multicast() {
                prop_assert!(!is_global(IpAddr::V4(v4)));
            }
        }
    }
}

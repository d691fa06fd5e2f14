//! Which URLs and addresses may be dialled: the public internet over TLS, plus what the operator opens.
//! It never resolves a name; `connect` asks again about every address before it dials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use http::Uri;
use ipnet::IpNet;
use url::{Host, Url};

use super::address::{canonical, is_global, is_never};
use super::destination::{Destination, check_text};
use super::refused::{Reason, Refused};

/// Most addresses of one name; a public service has a handful.
pub const ADDRESSES_MAX: usize = 32;

/// Ports of protocols that are not HTTP, ascending: the bad ports of
/// <https://fetch.spec.whatwg.org/#port-blocking>, and databases, queues and remote desktops.
#[rustfmt::skip]
const CLOSED_PORTS: [u16; 101] = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102,
    103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 445, 465,
    512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 873, 989, 990, 993,
    995, 1433, 1521, 1719, 1720, 1723, 2049, 2181, 3306, 3389, 3659, 4045, 4190, 4369, 5060, 5061, 5432,
    5672, 5900, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 9042, 9092,
    10080, 11211, 26379, 27017, 27018,
];

/// Names of metadata services; their addresses are closed too, this only refuses them at once.
const METADATA_NAMES: [&str; 3] = ["metadata.google.internal", "metadata.goog", "instance-data"];

/// Endings of names that the public DNS never serves (RFC 6761, RFC 6762, RFC 8375, ICANN's `.internal`).
const PRIVATE_ENDINGS: [&str; 5] = [".internal", ".local", ".localhost", ".home.arpa", ".test"];

/// What the operator opens beyond the public internet over TLS.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Ranges opened in addition; `--egress-allow`, default none. Link-local, metadata, multicast and
    /// unspecified addresses stay closed inside them.
    pub allow: Vec<IpNet>,
    /// Opens http and ws to every allowed host, public ones too; default false. Without it they are open
    /// only towards `allow`.
    pub plaintext: bool,
    /// PEM file of certificates believed in addition to Mozilla's; default none.
    pub roots_file: Option<PathBuf>,
}

/// What a host in a URL stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// One address, written in any spelling.
    Address(IpAddr),
    /// `localhost` or a name below it, which we answer ourselves (RFC 6761 section 6.3).
    Localhost,
    /// A name to ask the resolver for.
    Name(String),
}

impl Policy {
    /// Checks the text of a URL, without asking the network anything.
    ///
    /// https and wss are open. http and ws need the flag or the operator's ranges: an address must lie in
    /// one; `localhost` and names that the public DNS never serves pass when there is any range, and
    /// every address they resolve to must then lie in one when dialled.
    ///
    /// # Errors
    /// Always the same sentence; [`Refused::reason`] tells which rule refused.
    pub fn check_url(&self, text: &str) -> Result<Destination, Refused> {
        check_text(text)?;
        let url = Url::parse(text).map_err(|_| Reason::Malformed)?;
        let (_, rest) = text.split_once(':').ok_or(Reason::Malformed)?;
        let authority = rest
            .strip_prefix("//")
            .filter(|rest| !rest.starts_with('/'));
        let authority = authority.ok_or(Reason::Malformed)?;
        let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(Reason::UserInfo.into());
        }
        if url.fragment().is_some() {
            return Err(Reason::Fragment.into());
        }
        let is_secure = is_secure(url.scheme())?;
        let host = url.host().ok_or(Reason::Malformed)?;
        let port = url.port_or_known_default().ok_or(Reason::Malformed)?;
        self.check_host(host, port, is_secure)?;
        Ok(Destination::new(url)?)
    }

    /// Checks the URI of a connection about to be made, whoever wrote it.
    pub(super) fn check_uri(&self, uri: &Uri) -> Result<(Place, u16), Reason> {
        let is_secure = is_secure(uri.scheme_str().unwrap_or_default())?;
        let host =
            Host::parse(uri.host().ok_or(Reason::Malformed)?).map_err(|_| Reason::Malformed)?;
        let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let host = match &host {
            Host::Domain(name) => Host::Domain(name.as_str()),
            Host::Ipv4(v4) => Host::Ipv4(*v4),
            Host::Ipv6(v6) => Host::Ipv6(*v6),
        };
        Ok((self.check_host(host, port, is_secure)?, port))
    }

    /// Checks an address about to be dialled.
    pub(super) fn check_address(&self, address: IpAddr, is_secure: bool) -> Result<(), Reason> {
        let is_open = self.is_opened(address);
        if !is_open && (is_never(address) || !is_global(address)) {
            return Err(Reason::Address(address));
        }
        if !(is_secure || self.plaintext || is_open) {
            return Err(Reason::Plaintext);
        }
        Ok(())
    }

    /// Returns the loopback addresses that the operator opened.
    pub(super) fn localhost(&self) -> Vec<IpAddr> {
        let both = [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ];
        both.into_iter()
            .filter(|address| self.is_opened(*address))
            .collect()
    }

    fn check_host(&self, host: Host<&str>, port: u16, is_secure: bool) -> Result<Place, Reason> {
        if CLOSED_PORTS.binary_search(&port).is_ok() {
            return Err(Reason::Port(port));
        }
        self.place_of(host, is_secure)
    }

    /// Checks the host of the operator's mail server; the port is theirs to choose.
    pub(super) fn check_mail_host(&self, host: &str, is_secure: bool) -> Result<Place, Reason> {
        match Host::parse(host).map_err(|_| Reason::Malformed)? {
            Host::Domain(name) => self.place_of(Host::Domain(name.as_str()), is_secure),
            Host::Ipv4(v4) => self.place_of(Host::Ipv4(v4), is_secure),
            Host::Ipv6(v6) => self.place_of(Host::Ipv6(v6), is_secure),
        }
    }

    fn place_of(&self, host: Host<&str>, is_secure: bool) -> Result<Place, Reason> {
        let name = match host {
            Host::Ipv4(v4) => return self.check_literal(IpAddr::V4(v4), is_secure),
            Host::Ipv6(v6) => return self.check_literal(IpAddr::V6(v6), is_secure),
            Host::Domain(name) => name,
        };
        // A trailing dot would give one host two origins.
        if name.is_empty() || name.ends_with('.') || METADATA_NAMES.contains(&name) {
            return Err(Reason::Name);
        }
        if name == "localhost" || name.ends_with(".localhost") {
            return if self.localhost().is_empty() {
                Err(Reason::Name)
            } else {
                Ok(Place::Localhost)
            };
        }
        let is_private =
            !name.contains('.') || PRIVATE_ENDINGS.iter().any(|end| name.ends_with(end));
        if is_secure || self.plaintext || (is_private && !self.allow.is_empty()) {
            return Ok(Place::Name(name.to_owned()));
        }
        Err(Reason::Plaintext)
    }

    fn check_literal(&self, address: IpAddr, is_secure: bool) -> Result<Place, Reason> {
        let address = canonical(address);
        self.check_address(address, is_secure)?;
        Ok(Place::Address(address))
    }

    fn is_opened(&self, address: IpAddr) -> bool {
        let address = canonical(address);
        !is_never(address) && self.allow.iter().any(|range| range.contains(&address))
    }
}

fn is_secure(scheme: &str) -> Result<bool, Reason> {
    match scheme {
        "https" | "wss" => Ok(true),
        "http" | "ws" => Ok(false),
        _ => Err(Reason::Scheme),
    }
}

#[cfg(test)]
mod tests {
    use super::super::destination::URL_BYTES_MAX;
    use super::*;

    fn opened(ranges: &[&str]) -> Policy {
        Policy {
            allow: ranges.iter().map(|range| range.parse().unwrap()).collect(),
            ..Policy::default()
        }
    }

    fn reason(policy: &Policy, url: &str) -> Option<Reason> {
        policy
            .check_url(url)
            .err()
            .map(|refused| refused.reason().clone())
    }

    /// Every spelling of M1 and B01; `{}` is the host.
    const CLOSED_HOSTS: &str = "
        127.0.0.1 2130706433 0x7f000001 0x7f.1 017700000001 127.1 0 0.0.0.0 [::ffff:127.0.0.1]
        [::ffff:7f00:1] [0:0:0:0:0:ffff:127.0.0.1] ①②⑦.0.0.1 127.0.0.1. %31%32%37.0.0.1 a@127.0.0.1
        localhost localhost. LOCALHOST x.localhost x.localhost. [::1] [::] [::127.0.0.1]
        [::ffff:169.254.169.254] [64:ff9b::a9fe:a9fe] [64:ff9b:1::1] [2002:a9fe:a9fe::] [fe80::1%25lo]
        [fe80::1] 10.1.1.1 172.16.0.1 192.168.0.1 169.254.169.254 2852039166 0xa9fea9fe 0251.0376.0251.0376
        100.64.0.1 192.0.0.192 198.18.0.1 224.0.0.1 240.0.0.1 255.255.255.255 [fd00:ec2::254] [fec0::1]
        [ff02::1] [2001:db8::1] metadata.google.internal METADATA.google.internal metadata.google.internal.
        metadata.goog good@10.1.1.1 good:pw@example.com @example.com example.com. 1.2.3.4.5 256.1.1.1
        example.com:0 example.com:22 example.com:25 example.com:6379 example.com:5432 example.com:11211
        example.com:65536 example.com:x 168.63.129.16";

    #[test]
    fn every_spelling_of_a_closed_host_is_refused() {
        let policy = Policy::default();
        for host in CLOSED_HOSTS.split_whitespace() {
            for scheme in ["https", "wss", "http"] {
                let url = format!("{scheme}://{host}/mcp");
                assert!(policy.check_url(&url).is_err(), "{url}");
            }
        }
    }

    #[test]
    fn text_that_parsers_disagree_about_is_refused() {
        let policy = Policy::default();
        let texts = [
            "https://good\\@10.1.1.1/",
            "https://10.1.1.1#@good",
            "https://exa\tmple.com/",
            " https://example.com/",
            "https://example.com/\n",
            "https://example.com\r\n/",
            "https:example.com",
            "https:/example.com",
            "https:///example.com",
            "https:////example.com",
            "https:\\\\example.com",
            "//example.com/",
            "example.com",
            "",
            "https://",
            "https:///",
            "https://?x",
            "https://example.com/\u{0}",
            "https://example.com/\u{2028}",
            "https://example.com/#x",
            "https://example.com/#",
            "wss+x://example.com/",
            "file:///etc/passwd",
            "gopher://example.com/",
            "ftp://example.com/",
            "data:,x",
            "javascript:alert(1)",
            "unix:/run/x",
            "HTTP://example.com/",
            "ws://example.com/",
            "http://8.8.8.8/",
        ];
        for text in texts {
            assert!(policy.check_url(text).is_err(), "{text:?}");
        }
        let long = format!("https://example.com/{}", "x".repeat(URL_BYTES_MAX));
        assert_eq!(
            reason(&policy, &long),
            Some(Reason::TooLong { max_bytes: 2048 })
        );
    }

    #[test]
    fn all_refusals_read_the_same() {
        let policy = Policy::default();
        for url in [
            "https://10.0.0.1/",
            "gopher://x/",
            "https://localhost/",
            "https://a@b/",
            "x",
        ] {
            assert_eq!(
                policy.check_url(url).unwrap_err().to_string(),
                "URL is not allowed."
            );
        }
    }

    #[test]
    fn a_range_opens_its_addresses_and_no_other() {
        let policy = opened(&["10.1.1.0/24", "0.0.0.0/0", "::/0"]);
        let narrow = opened(&["10.1.1.0/24"]);
        for open in [
            "https://10.1.1.1/",
            "http://10.1.1.1/",
            "ws://10.1.1.1:8080/",
            "https://[::ffff:10.1.1.1]/",
        ] {
            assert_eq!(reason(&narrow, open), None, "{open}");
        }
        assert_eq!(
            reason(&narrow, "https://10.1.2.1/"),
            Some(Reason::Address("10.1.2.1".parse().unwrap()))
        );
        assert!(reason(&narrow, "http://8.8.8.8/").is_some());
        for never in [
            "169.254.169.254",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "0.0.0.0",
            "[::]",
            "224.0.0.1",
            "[ff02::1]",
        ] {
            for policy in [&policy, &narrow] {
                assert!(
                    reason(policy, &format!("https://{never}/")).is_some(),
                    "{never}"
                );
            }
        }
        assert_eq!(
            reason(&policy, "http://metadata.google.internal/"),
            Some(Reason::Name)
        );
    }

    #[test]
    fn plain_http_needs_the_flag_or_a_range() {
        let closed = Policy::default();
        let ranges = opened(&["172.16.0.0/12"]);
        let flag = Policy {
            plaintext: true,
            ..Policy::default()
        };
        let verdict = |url| [&closed, &ranges, &flag].map(|policy| policy.check_url(url).is_ok());
        assert_eq!(verdict("http://example.com/"), [false, false, true]);
        assert_eq!(verdict("ws://example.com/"), [false, false, true]);
        assert_eq!(verdict("http://tools:8000/mcp"), [false, true, true]);
        assert_eq!(
            verdict("http://mcp.default.svc.cluster.local/"),
            [false, true, true]
        );
        assert_eq!(verdict("http://172.17.0.2/"), [false, true, false]);
        assert_eq!(verdict("http://8.8.8.8/"), [false, false, true]);
        assert_eq!(verdict("https://8.8.8.8/"), [true, true, true]);
    }

    #[test]
    fn localhost_is_open_only_where_loopback_is() {
        assert!(
            opened(&["10.0.0.0/8"])
                .check_url("http://localhost:3000/")
                .is_err()
        );
        let policy = opened(&["127.0.0.0/8"]);
        assert!(policy.check_url("http://localhost:3000/").is_ok());
        assert_eq!(policy.localhost(), ["127.0.0.1".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn closed_ports_can_be_searched() {
        assert!(CLOSED_PORTS.is_sorted_by(|a, b| a < b));
    }
}

//! A refusal to dial: one sentence for everybody, the reason for the log and `doctor`.
//! What a name resolves to must never reach the person who named it: it would tell them what our network looks like.

use std::net::IpAddr;

/// A URL or an address that may not be dialled; prints the contract's sentence and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("URL is not allowed.")]
pub struct Refused {
    #[source]
    reason: Reason,
}

impl Refused {
    /// Returns why, for the log and for `doctor`.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }
}

impl Reason {
    /// Which rule refuses a URL that somebody enters, and what opens it, as the end of a sentence. Says nothing that the
    /// text of the URL and the operator's rules do not say; no name was looked up.
    pub fn rule(&self) -> String {
        const OPEN: &str = "the operator of the gateway can open its range with `--egress-allow`";
        match self {
            Self::Address(address) => format!("{address} is not on the public internet; {OPEN}"),
            Self::Name => {
                format!("this name stands for the gateway's own machine or network; {OPEN}")
            }
            Self::Plaintext => format!(
                "http and ws are not encrypted and allowed only to addresses that the operator opened; use https or wss, or {OPEN}"
            ),
            Self::Scheme | Self::Malformed => {
                "its scheme is none of https, wss, http and ws".to_owned()
            }
            Self::UserInfo => "it contains a user name or a password".to_owned(),
            Self::Port(port) => format!("port {port} is that of another protocol"),
            Self::TooLong { .. }
            | Self::Character
            | Self::Fragment
            | Self::TooManyAddresses { .. }
            | Self::OtherOrigin => self.to_string(),
        }
    }
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        Self { reason }
    }
}

/// Why a URL or an address is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The text is longer than `URL_BYTES_MAX`.
    #[error("the URL is longer than {max_bytes} bytes")]
    TooLong {
        /// The limit, in bytes.
        max_bytes: usize,
    },
    /// The text holds something that parsers drop or read differently.
    #[error("the URL contains a control character, white space or a backslash")]
    Character,
    /// The text is not an absolute `scheme://host` URL.
    #[error("the URL cannot be parsed")]
    Malformed,
    /// The scheme is none of https, wss, http, ws.
    #[error("the scheme is neither https nor wss")]
    Scheme,
    /// The scheme is http or ws, and neither the flag nor the ranges open it for this host.
    #[error("plain http and ws are closed for this host")]
    Plaintext,
    /// A user name or a password stands before the host.
    #[error("the URL contains a user name or a password")]
    UserInfo,
    /// The URL has a `#fragment`, which RFC 8707 forbids in a resource's URL.
    #[error("the URL contains a fragment")]
    Fragment,
    /// The port is 0 or belongs to a protocol that is not HTTP.
    #[error("port {0} is closed")]
    Port(u16),
    /// The name means this machine or a metadata service, or ends in a dot.
    #[error("the host name is closed")]
    Name,
    /// The address is not on the public internet and in no range of the operator's.
    #[error("address {0} is closed")]
    Address(IpAddr),
    /// The name has more addresses than `ADDRESSES_MAX`.
    #[error("the name has more than {max} addresses")]
    TooManyAddresses {
        /// The limit.
        max: usize,
    },
    /// A reference leads away from the scheme, host and port it was found at.
    #[error("the reference leads to another origin")]
    OtherOrigin,
}

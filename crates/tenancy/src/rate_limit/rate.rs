//! What is allowed: the tiers of both faces of the academy, and ceilings over all keys of a person and a tenant.
//! Counts nothing.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::auth::Caller;
use crate::auth::token::TokenId;
use crate::tenant::TenantId;
use crate::tenant::user::UserId;

/// The span that a burst is counted over (8.1, 6.3.5.2).
pub const BURST_WINDOW: Duration = Duration::from_secs(1);
/// The span that every tier is counted over.
const WINDOW: Duration = Duration::from_secs(60);

/// An allowance: at most `max` requests in every window, and at most `burst` of them in every second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests in a window.
    pub max: u32,
    /// The length of the window.
    pub window: Duration,
    /// Requests in a second.
    pub burst: u32,
}

impl Rate {
    /// So many requests a minute, and so many in one second.
    pub const fn per_minute(max: u32, burst: u32) -> Self {
        Self {
            max,
            window: WINDOW,
            burst,
        }
    }
}

/// Without a tier of its own.
const DEFAULT: Rate = Rate::per_minute(60, 10);
/// Questions to the course chat, per user.
const CHAT: Rate = Rate::per_minute(20, 5);
/// Whatever an admin scope allows.
const ADMIN: Rate = Rate::per_minute(120, 20);
/// Course materials.
const MATERIALS: Rate = Rate::per_minute(30, 10);
/// Bookings of office hours.
const BOOKINGS: Rate = Rate::per_minute(10, 3);
/// All keys and scopes of one person together (docs/inside/threats.md#ceilings).
const USER_CEILING: Rate = Rate::per_minute(240, 40);
/// All people of one tenant together (docs/inside/threats.md#ceilings).
const TENANT_CEILING: Rate = Rate::per_minute(6_000, 600);

/// Who holds an allowance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Holder {
    /// A key.
    Key(TokenId),
    /// A person, whatever the key.
    User(UserId),
    /// A tenant.
    Tenant,
    /// Whoever calls from these addresses.
    Network(IpNet),
}

/// Attempts to sign in from one address in a minute.
const SIGN_INS_PER_MINUTE_MAX: u32 = 30;
/// The same in a second.
pub const SIGN_INS_PER_SECOND_MAX: u32 = 10;
const SIGN_IN_ADDRESS: Rate = Rate::per_minute(SIGN_INS_PER_MINUTE_MAX, SIGN_INS_PER_SECOND_MAX);
/// The same from all the neighbours of that address together.
const SIGN_IN_NETWORK: Rate = Rate::per_minute(300, 50);
/// The same from everywhere.
const SIGN_IN_ALL: Rate = Rate::per_minute(3_000, 300);
/// Looks at certificates from one address.
const VERIFY_ADDRESS: Rate = Rate::per_minute(30, 10);
/// The same from all the neighbours of that address together.
const VERIFY_NETWORK: Rate = Rate::per_minute(300, 50);
/// The same from everywhere.
const VERIFY_ALL: Rate = Rate::per_minute(3_000, 300);
/// The tenant of those whom nobody knows yet; none has this number.
const NOBODYS: TenantId = TenantId(0);
/// The networks that one address stands for, and its neighbours, in bits. A home has a whole /64 of IPv6.
const ADDRESS_BITS: (u8, u8) = (32, 64);
const NETWORK_BITS: (u8, u8) = (24, 48);

/// One count: whose, and of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bucket {
    /// The tenant, whoever in it holds the allowance.
    pub tenant: TenantId,
    /// Who holds it.
    pub holder: Holder,
    /// Its name, from the tables of this module or of the tools.
    pub scope: &'static str,
}

/// A bucket and what it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// Where the request counts.
    pub bucket: Bucket,
    /// How many may.
    pub rate: Rate,
}

impl Charge {
    /// One replica's share, at least one request.
    pub(super) fn shared_by(self, replicas: u32) -> Self {
        let max = (self.rate.max / replicas).max(1);
        let rate = Rate { max, ..self.rate };
        Self { rate, ..self }
    }
}

/// What one request counts under: its own allowance, the person's ceiling, the tenant's ceiling.
pub type Charges = [Charge; 3];

/// A request to the first face: 60 a minute and key, whatever the tool (6.3.5.2).
pub fn v1(caller: &Caller) -> Charges {
    charges(caller, key(caller), "v1", DEFAULT)
}

/// A request to the second face that needs this scope (8.5.1).
pub fn v2(caller: &Caller, scope: &'static str) -> Charges {
    let key = key(caller);
    match scope {
        "chat:write" => charges(caller, Holder::User(caller.user_id()), scope, CHAT),
        "materials:read" => charges(caller, key, scope, MATERIALS),
        "bookings:write" => charges(caller, key, scope, BOOKINGS),
        // One allowance for all admin scopes, as the document's row says.
        _ if scope.starts_with("admin:") => charges(caller, key, "admin:*", ADMIN),
        _ => charges(caller, key, scope, DEFAULT),
    }
}

/// A request to the learner server, whatever the tool.
pub fn learner(caller: &Caller) -> Charges {
    charges(caller, key(caller), "learner", DEFAULT)
}

/// A session has no key of its own: all sessions of a person count together.
fn key(caller: &Caller) -> Holder {
    match caller.token {
        Some(key) => Holder::Key(key),
        None => Holder::User(caller.user_id()),
    }
}

/// An attempt to sign in, by somebody who is not known yet.
pub fn sign_in(peer: IpAddr) -> Charges {
    of_nobody(
        peer,
        [
            ("sign-in", SIGN_IN_ADDRESS),
            ("sign-in:network", SIGN_IN_NETWORK),
            ("sign-in:all", SIGN_IN_ALL),
        ],
    )
}

/// A look at a certificate, by anybody.
pub fn verify(peer: IpAddr) -> Charges {
    of_nobody(
        peer,
        [
            ("verify", VERIFY_ADDRESS),
            ("verify:network", VERIFY_NETWORK),
            ("verify:all", VERIFY_ALL),
        ],
    )
}

/// What a request without a key counts under: its address, the neighbours of that address, and everybody.
fn of_nobody(peer: IpAddr, named: [(&'static str, Rate); 3]) -> Charges {
    let around = |bits| Holder::Network(network(peer, bits));
    let [own, neighbours, all] = named;
    let charge = |holder, (scope, rate)| Charge {
        bucket: Bucket {
            tenant: NOBODYS,
            holder,
            scope,
        },
        rate,
    };
    [
        charge(around(ADDRESS_BITS), own),
        charge(around(NETWORK_BITS), neighbours),
        charge(Holder::Tenant, all),
    ]
}

fn network(peer: IpAddr, (bits_v4, bits_v6): (u8, u8)) -> IpNet {
    let bits = if peer.is_ipv4() { bits_v4 } else { bits_v6 };
    let network = IpNet::new(peer, bits).map(|network| network.trunc());
    network.expect("an address has so many bits")
}

fn charges(caller: &Caller, holder: Holder, scope: &'static str, rate: Rate) -> Charges {
    let tenant = caller.tenant.id;
    let charge = |holder, scope, rate| Charge {
        bucket: Bucket {
            tenant,
            holder,
            scope,
        },
        rate,
    };
    [
        charge(holder, scope, rate),
        charge(Holder::User(caller.user_id()), "user", USER_CEILING),
        charge(Holder::Tenant, "tenant", TENANT_CEILING),
    ]
}

//! How many connections there may be, in all and from one address.
//! An address that holds more than its part is refused, so that the others still get in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;

/// Connections at once, in all.
pub(super) const CONNECTIONS_MAX: usize = 20_000;
/// Connections at once from one address that is no trusted proxy.
pub(super) const CONNECTIONS_PER_ADDRESS_MAX: usize = 2_000;

/// The connections there are.
#[derive(Debug)]
pub(super) struct Seats {
    trusted: Vec<IpNet>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One connection's place, given back when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    address: IpAddr,
}

impl Seats {
    /// None is taken. Trusted proxies speak for many people and have no bound of their own.
    pub(super) fn new(trusted: Vec<IpNet>) -> Arc<Self> {
        Arc::new(Self {
            trusted,
            taken: Mutex::default(),
        })
    }

    /// A place for a connection from this address; `None` if it has too many, or there are too many.
    pub(super) fn take(this: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let address = address.to_canonical();
        let is_trusted = this.trusted.iter().any(|net| net.contains(&address));
        let mut taken = this.lock();
        let of_address = taken.by_address.get(&address).copied().unwrap_or(0);
        if taken.all >= CONNECTIONS_MAX || !is_trusted && of_address >= CONNECTIONS_PER_ADDRESS_MAX
        {
            return None;
        }
        taken.all += 1;
        taken.by_address.insert(address, of_address + 1);
        Some(Seat {
            seats: this.clone(),
            address,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        taken.all -= 1;
        if let Some(count) = taken.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

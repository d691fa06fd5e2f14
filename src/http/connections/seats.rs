//! How many connections there may be, in all and from one address, and who goes when there are too many.
//! An address that holds more than its part is refused, so that the others still get in; whoever only waits goes before
//! anybody is refused.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;
use tokio_util::sync::CancellationToken;

use super::pace::Pace;

/// Connections at once, in all, if the descriptors suffice.
pub const CONNECTIONS_MAX: usize = 20_000;
/// Connections at once from one address that is no trusted proxy: so many, and no more than half of all.
pub(super) const CONNECTIONS_PER_ADDRESS_MAX: usize = 2_000;

/// The connections there are.
#[derive(Debug)]
pub(super) struct Seats {
    trusted: Vec<IpNet>,
    connections_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    by_number: HashMap<u64, Sitting>,
    by_address: HashMap<IpAddr, usize>,
    last_number: u64,
}

/// Who has a place.
#[derive(Debug)]
struct Sitting {
    address: IpAddr,
    pace: Arc<Pace>,
    leave: CancellationToken,
}

/// One connection's place, given back when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    number: u64,
    /// Cancelled when another one needs the place more.
    pub(super) leave: CancellationToken,
}

impl Seats {
    /// None is taken. Trusted proxies speak for many people and have no bound of their own.
    pub(super) fn new(trusted: Vec<IpNet>, connections_max: usize) -> Arc<Self> {
        Arc::new(Self {
            trusted,
            connections_max,
            taken: Mutex::default(),
        })
    }

    /// A place for a connection from this address; `None` if it has too many, or there are too many, and all are in use.
    pub(super) fn take(this: &Arc<Self>, address: IpAddr, pace: &Arc<Pace>) -> Option<Seat> {
        let address = address.to_canonical();
        let is_trusted = this.trusted.iter().any(|net| net.contains(&address));
        let of_one_max = CONNECTIONS_PER_ADDRESS_MAX.min(this.connections_max / 2);
        let mut taken = this.lock();
        let of_address = taken.by_address.get(&address).copied().unwrap_or(0);
        if !is_trusted && of_address >= of_one_max {
            taken.send_away(|sitting| sitting.address == address)?;
        } else if taken.by_number.len() >= this.connections_max {
            taken.send_away(|_| true)?;
        }
        let leave = CancellationToken::new();
        let number = taken.sit(Sitting {
            address,
            pace: pace.clone(),
            leave: leave.clone(),
        });
        Some(Seat {
            seats: this.clone(),
            number,
            leave,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn sit(&mut self, sitting: Sitting) -> u64 {
        self.last_number += 1;
        *self.by_address.entry(sitting.address).or_default() += 1;
        self.by_number.insert(self.last_number, sitting);
        self.last_number
    }

    /// Ends the connection among these that has waited longest for its next request; `None` if all are in use.
    fn send_away(&mut self, is_one: impl Fn(&Sitting) -> bool) -> Option<()> {
        let waiting = self.by_number.iter().filter(|(_, one)| is_one(one));
        let waiting = waiting.filter_map(|(number, one)| Some((one.pace.waits_since()?, *number)));
        let (_, number) = waiting.min()?;
        if let Some(sitting) = self.stand_up(number) {
            sitting.leave.cancel();
        }
        Some(())
    }

    fn stand_up(&mut self, number: u64) -> Option<Sitting> {
        let sitting = self.by_number.remove(&number)?;
        if let Some(count) = self.by_address.get_mut(&sitting.address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&sitting.address);
            }
        }
        Some(sitting)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // Nothing is there to give back if it was given to another one.
        self.seats.lock().stand_up(self.number);
    }
}

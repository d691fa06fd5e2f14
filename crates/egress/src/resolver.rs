//! Names to addresses, with a place to put another resolver in tests.
//! It must never decide whether an address is allowed: `connect` does, on whatever comes from here.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

use super::policy::ADDRESSES_MAX;

/// Most lookups at once; each holds a thread for as long as the system's resolver takes.
const LOOKUPS_MAX: usize = 64;

/// Asks for the addresses of a name.
pub trait Resolver: Send + Sync + 'static {
    /// Returns every address of `name`, in the order in which they should be dialled.
    ///
    /// # Errors
    /// Whatever the resolver says; no address is not an error here.
    fn resolve(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The resolver of the operating system.
pub struct SystemResolver {
    free: Arc<Semaphore>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self {
            free: Arc::new(Semaphore::new(LOOKUPS_MAX)),
        }
    }
}

impl Resolver for SystemResolver {
    fn resolve(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let name = name.to_owned();
        let free = Arc::clone(&self.free);
        Box::pin(async move {
            let place = free.acquire_owned().await.map_err(io::Error::other)?;
            // Not `tokio::net::lookup_host`: a caller who gives up leaves the thread behind, and the thread
            // must keep its place until it is done.
            let lookup = tokio::task::spawn_blocking(move || {
                let _place = place;
                let found = (name.as_str(), 0).to_socket_addrs()?;
                Ok(found
                    .take(ADDRESSES_MAX + 1)
                    .map(|address| address.ip())
                    .collect())
            });
            lookup.await.map_err(io::Error::other)?
        })
    }
}

//! The way to a destination, step by step, for an operator who asks why it does not work.
//! It must never dial what `connect` would not.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use hyper_rustls::MaybeHttpsStream;
use tokio::time::timeout;
use tower::Service;

use super::client::Egress;
use super::connect::RESOLVE_DEADLINE;
use super::destination::Destination;
use super::failure::Failure;
use super::policy::Place;
use super::refused::Reason;

impl Egress {
    /// Returns every address of a destination now, and why it may not be dialled if it may not.
    ///
    /// # Errors
    /// `Resolve` if the name has none, `Refused` if the name itself is closed.
    pub async fn addresses(
        &self,
        destination: &Destination,
    ) -> Result<Vec<(IpAddr, Option<Reason>)>, Failure> {
        let (place, _) = self.policy().check_uri(&destination.http_uri()?)?;
        let addresses = match place {
            Place::Address(address) => vec![address],
            Place::Localhost => self.policy().localhost(),
            Place::Name(name) => timeout(RESOLVE_DEADLINE, self.resolver().resolve(&name))
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                .map_err(|error| Failure::Resolve(Arc::new(error)))?,
        };
        if addresses.is_empty() {
            return Err(Failure::Resolve(Arc::new(io::Error::from(
                io::ErrorKind::NotFound,
            ))));
        }
        let judged = addresses.into_iter().map(|address| {
            let checked = self
                .policy()
                .check_address(address, destination.is_secure());
            (address, checked.err())
        });
        Ok(judged.collect())
    }

    /// Connects, and hangs up. Returns the version of TLS, `None` without TLS.
    ///
    /// # Errors
    /// Whatever a request would fail with before it could be sent.
    pub async fn try_connection(
        &self,
        destination: &Destination,
    ) -> Result<Option<String>, Failure> {
        let stream = self.connector().call(destination.http_uri()?).await?;
        Ok(match stream {
            MaybeHttpsStream::Http(_) => None,
            MaybeHttpsStream::Https(stream) => {
                let (_, session) = stream.inner().get_ref();
                let version = session.protocol_version();
                Some(version.map_or_else(|| "TLS".to_owned(), |version| format!("{version:?}")))
            }
        })
    }
}

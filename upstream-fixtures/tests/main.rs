//! The upstreams speak: a few looks at each transport and era, through clients of other make.

mod client;

mod eras;
mod http_and_sse;
mod illnesses;
mod sessions;
mod stateless;
mod websockets;

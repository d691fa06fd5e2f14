//! What the product does, by what a user can see. One binary, one harness.

#![expect(unreachable_pub, reason = "one binary: everything below is its own")]

mod harness;
mod registry_connections;
mod registry_servers;
mod walk_through;

//! `…/webhooks/` and `…/webhook-deliveries/`: who is told of a tenant's events, and what came of it. For its admins.

pub(crate) mod deliveries;
pub(crate) mod hooks;

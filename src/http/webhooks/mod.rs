//! `…/webhooks/` and `…/webhook-deliveries/`: who is told of a tenant's events, and the outcome. For its admins.

pub(crate) mod deliveries;
pub(crate) mod hooks;

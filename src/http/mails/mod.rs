//! `…/mail-templates/` and `…/mails/`: what a tenant's mails look like, and their outcomes. For its admins.

pub(crate) mod outbox;
pub(crate) mod templates;

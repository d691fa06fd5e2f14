//! `…/mail-templates/` and `…/mails/`: what a tenant's mails look like, and what came of them. For its admins.

pub(crate) mod outbox;
pub(crate) mod templates;

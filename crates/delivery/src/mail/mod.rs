//! Mail: templates by number, one outbox that is filled in the transaction of what it is about, and the way to the mail
//! server. Never sends before the commit, and never what comes from the sandbox.

mod markdown;
mod outbox;
mod priority;
mod render;
mod send;
mod template;

pub use markdown::to_html;
pub use outbox::{
    ATTEMPTS_MAX, Campaign, Due, Letter, Mail, MailId, OUTBOX, Outcome, Standing, State,
    cancel_scheduled, claim, clear_sandbox, enqueue, list, settle, standing,
};
pub use priority::Priority;
pub use render::{Filled, Missing};
pub use send::{BadSettings, Sender, Session};
pub use template::{Draft, Template, create, delete, get, insert, replace, templates};

//! Telling others of a tenant's events: who wants to know, what is on its way, and how it is signed.
//! Never makes up an event: whoever changes something enqueues it in the transaction of the change.

mod deliver;
mod queue;
mod sign;
mod store;

use sqlx::FromRow;

pub use deliver::{Attempt, deliver};
pub use queue::{
    ATTEMPTS_MAX, DELIVERIES, Delivery, DeliveryId, Due, NewEvent, State, claim, deliveries,
    enqueue, get_delivery, retry, settle,
};
pub use sign::{SIGNATURE_HEADER, signature};
pub use store::{Changes, Draft, change, create, delete, get, list, rotate};

use base::clock::UnixMs;
use base::error::{Error, Result};
use base::storage::words;
use broker::registry::sealed::{Record, SealedTable};
use tenancy::auth::token::Environment;
use tenancy::tenant::TenantId;

words! {
    /// What others can be told of (6.3.5.6).
    Event {
        /// Somebody was enrolled.
        EnrollmentCreated = "enrollment.created",
        /// A learner completed the course.
        EnrollmentCompleted = "enrollment.completed",
        /// A certificate was made.
        CertificateIssued = "certificate.issued",
        /// A cohort's status changed.
        CohortStatusChanged = "cohort.status_changed",
        /// A payment was processed.
        PaymentReceived = "payment.received",
    }
}

/// The field of both secrets: the one that signs moves to the column of the one before it.
pub(super) const SECRET: &str = "secret";

/// The number of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct WebhookId(pub i64);

/// Somebody who wants to be told.
#[derive(Debug, Clone, FromRow)]
pub struct Webhook {
    /// Its number.
    pub id: WebhookId,
    /// The tenant whose events it is told.
    pub tenant_id: TenantId,
    /// Whether it is told of live or of sandbox data.
    #[sqlx(try_from = "String")]
    pub environment: Environment,
    /// Where it is told.
    pub url: String,
    /// The events it is told, a JSON array.
    pub events: String,
    /// What signs, sealed.
    pub secret_sealed: String,
    /// What signed before, sealed; empty if nothing.
    pub previous_secret_sealed: String,
    /// Until when that signs as well.
    pub previous_until: UnixMs,
    /// Whether it is told at all.
    pub is_enabled: bool,
    /// When it was made.
    pub created_at: UnixMs,
    /// When it was last changed.
    pub updated_at: UnixMs,
}

impl Webhook {
    /// What it keeps sealed.
    pub const SEALED: SealedTable = SealedTable {
        table: "webhooks",
        kind: "webhook",
        has_origin: false,
        columns: &[
            ("secret_sealed", SECRET),
            ("previous_secret_sealed", SECRET),
        ],
    };

    /// The record's name for [`Record`] and the audit.
    pub fn record_name(id: WebhookId) -> String {
        Self::SEALED.record_name(id.0)
    }

    /// The events it is told.
    ///
    /// # Errors
    /// If the stored list is no list.
    pub fn event_words(&self) -> Result<Vec<String>> {
        serde_json::from_str(&self.events).map_err(Error::internal)
    }
}

/// Where a secret belongs. It goes nowhere, so it has no origin.
fn record(tenant: TenantId, name: &str) -> Record<'_> {
    Record {
        tenant,
        name,
        origin: "",
    }
}

//! Where an enrollment stands, how it came about and whether it is paid.

use base::storage::words;

words! {
    /// Where an enrollment stands.
    Status {
        /// Not paid yet.
        Pending = "pending",
        /// Under way.
        Active = "active",
        /// Ended well.
        Completed = "completed",
        /// Given up.
        Withdrawn = "withdrawn",
    }
}

words! {
    /// How somebody came to their place.
    Kind {
        /// Bought it.
        Standard = "standard",
        /// Was given it.
        Complimentary = "complimentary",
        /// Was sent by an organization.
        Corporate = "corporate",
        /// Tries it out.
        Trial = "trial",
    }
}

words! {
    /// Whether it is paid.
    Payment {
        /// Not yet.
        Pending = "pending",
        /// Yes.
        Paid = "paid",
        /// Nobody has to.
        Waived = "waived",
    }
}

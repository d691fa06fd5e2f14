//! Why a person, or an administrator, must act before a grant can be used again.

use base::storage::words;

words! {
    /// Why a grant ended; stored in `connected_services.needs_reauth`.
    ReauthReason {
        /// The provider does not accept the grant any more.
        Revoked = "revoked",
        /// The provider does not accept it, and an answer with newer tokens was lost before.
        Interrupted = "interrupted",
        /// The provider refuses to renew it, for another reason than that it has ended.
        Refused = "refused",
        /// The provider does not know the client any more that we registered there.
        ClientForgotten = "client_forgotten",
        /// The provider does not accept the client credentials that an administrator stored.
        ClientRefused = "client_refused",
        /// The provider is another than the one that it was made at.
        ProviderChanged = "provider_changed",
        /// It was made by another client than the tenant has now.
        ClientChanged = "client_changed",
        /// The stored refresh token does not open.
        Unreadable = "unreadable",
    }
}

impl ReauthReason {
    /// The sentence for a stored word.
    pub fn sentence_of(word: &str) -> Option<&'static str> {
        word.parse().ok().map(Self::sentence)
    }

    /// Whether no sign-in helps before an administrator has acted.
    pub(crate) fn needs_administrator(self) -> bool {
        self == Self::ClientRefused
    }

    /// A sentence for the grant's person and administrators.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Revoked => "The provider ended the sign-in; sign in again.",
            Self::Interrupted => {
                "New tokens were lost before they could be stored, and the provider does not accept the old ones; sign in again."
            }
            Self::Refused => "The provider refuses to renew the sign-in; sign in again.",
            Self::ClientForgotten => {
                "The provider does not know this gateway any more, which will register there anew; sign in again."
            }
            Self::ClientRefused => {
                "The provider does not accept the client credentials that are stored for it; an administrator must store them again."
            }
            Self::ProviderChanged => {
                "The service is at another provider than when the sign-in was made; sign in again."
            }
            Self::ClientChanged => {
                "The sign-in was made with other client credentials than the tenant has now; sign in again."
            }
            Self::Unreadable => "The stored sign-in cannot be read; sign in again.",
        }
    }
}

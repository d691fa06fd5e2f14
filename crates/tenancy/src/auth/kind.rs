//! What a key is for, and of which data.

use base::storage::words;

words! {
    /// What a key is for.
    TokenKind {
        /// A person's own token.
        Token = "token",
        /// A platform key of one tenant and one user.
        Platform = "platform",
        /// A key of the academy server v1, `aea_<scope>_…`.
        Aea = "aea",
        /// A key of the academy server v2, `sk_mcp_live_…`.
        Mcp = "mcp",
    }
}

words! {
    /// Whether a key sees live or sandbox data.
    Environment {
        /// The real data.
        Live = "live",
        /// The sandbox, reset daily.
        Test = "test",
    }
}

//! What a server record may say: its URL, the prefix of its tools, and when its secrets must be entered again.

use url::Url;

use super::{Server, ServerId};
use crate::registry::Transport;
use crate::registry::sealed::{CREDENTIALS, Change, EXTRA_HEADERS};
use base::error::{FieldErrors, Result};
use base::sql;
use base::storage::Tx;
use egress::{Policy, Reason};
use tenancy::tenant::TenantId;
use tenancy::tenant::mentor::slugify;

/// Longest name, in characters.
pub const NAME_CHARACTERS_MAX: usize = 255;
/// Longest URL, in characters.
pub const URL_CHARACTERS_MAX: usize = 200;
/// Longest prefix of tool names, in characters.
pub const TOOL_PREFIX_CHARACTERS_MAX: usize = 24;

/// The prefix of a server whose name has no letter or digit.
const TOOL_PREFIX_OF_NOTHING: &str = "server";

/// Checks a URL without asking the network and returns its origin. A name is looked at again when it is dialled.
pub fn check_url(policy: &Policy, url: &str, errors: &mut FieldErrors) -> Option<String> {
    match policy.check_url(url) {
        Ok(destination) => Some(destination.origin().to_owned()),
        Err(refused) if *refused.reason() == Reason::Malformed && Url::parse(url).is_err() => {
            errors.add("url", "Enter a valid URL.");
            None
        }
        Err(refused) => {
            errors.add("url", complaint(refused.reason()));
            None
        }
    }
}

/// Which rule refuses a URL, and what helps.
fn complaint(reason: &Reason) -> String {
    let rule = reason.rule();
    let advice = match reason {
        Reason::Scheme | Reason::Malformed => {
            "; a server on stdio has no address and needs one of these before it"
        }
        Reason::UserInfo => "; enter them as `credentials`",
        _ => "",
    };
    format!("URL is not allowed: {rule}{advice}.")
}

/// Complains if a URL is of another scheme than its transport speaks.
pub(super) fn check_scheme(url: &str, transport: Transport, errors: &mut FieldErrors) {
    let start = url.trim_start().get(..2).unwrap_or_default();
    let is_websocket = start.eq_ignore_ascii_case("ws");
    if errors.has("url") || is_websocket == (transport == Transport::Websocket) {
        return;
    }
    let message = match transport {
        Transport::Websocket => "Enter a URL of ws or wss for the transport websocket.",
        Transport::StreamableHttp | Transport::Sse => {
            "Enter a URL of http or https, or choose the transport websocket."
        }
    };
    errors.add("url", message);
}

/// Complains if a secret that was entered for another origin would stay (docs/inside/threats.md#changed-origins).
pub(super) fn check_origin(
    stored: &Server,
    origin: &str,
    changes: (&Change, &Change),
    errors: &mut FieldErrors,
) {
    if stored.origin == origin {
        return;
    }
    if !stored.credentials_sealed.is_empty() && *changes.0 == Change::Keep {
        errors.add(
            CREDENTIALS,
            "Enter the credential again: the server's address changed.",
        );
    }
    if !stored.extra_headers_sealed.is_empty() && *changes.1 == Change::Keep {
        errors.add(
            EXTRA_HEADERS,
            "Enter the headers again: the server's address changed.",
        );
    }
}

/// Complains about a prefix with other characters, or one that another server of the tenant has.
pub(super) async fn check_prefix(
    tx: &mut Tx,
    tenant: TenantId,
    server: Option<ServerId>,
    prefix: &str,
    errors: &mut FieldErrors,
) -> Result<()> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if prefix.len() > TOOL_PREFIX_CHARACTERS_MAX || !prefix.chars().all(is_word) {
        errors.add(
            "tool_prefix",
            "Enter up to 24 letters, digits, hyphens and underscores.",
        );
    } else if is_taken(tx, tenant, server, prefix).await? {
        errors.add(
            "tool_prefix",
            "Another server of this tenant has this tool prefix.",
        );
    }
    Ok(())
}

async fn is_taken(
    tx: &mut Tx,
    tenant: TenantId,
    server: Option<ServerId>,
    prefix: &str,
) -> Result<bool> {
    if prefix.is_empty() {
        return Ok(false);
    }
    let others = sql!(
        tx,
        scalar as i64,
        "SELECT COUNT(*) FROM servers
         WHERE tenant_id = $1 AND lower(tool_prefix) = lower($2) AND ($3 IS NULL OR id <> $3)",
        tenant,
        prefix,
        server
    )?;
    Ok(others > 0)
}

/// A prefix from the server's name that no other server of the tenant has.
pub(super) async fn free_prefix(tx: &mut Tx, tenant: TenantId, name: &str) -> Result<String> {
    let slug = slugify(name);
    let slug = if slug.is_empty() {
        TOOL_PREFIX_OF_NOTHING
    } else {
        &slug
    };
    let mut prefix = cut(slug, TOOL_PREFIX_CHARACTERS_MAX).to_owned();
    let mut number = 1_u64;
    while is_taken(tx, tenant, None, &prefix).await? {
        number += 1;
        let suffix = format!("-{number}");
        prefix = format!(
            "{}{suffix}",
            cut(slug, TOOL_PREFIX_CHARACTERS_MAX - suffix.len())
        );
    }
    Ok(prefix)
}

fn cut(slug: &str, bytes_max: usize) -> &str {
    slug[..slug.len().min(bytes_max)].trim_end_matches('-')
}

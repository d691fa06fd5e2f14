//! `token create`, `token list`, `token revoke`.

use std::str::FromStr;
use std::time::Duration;

use clap::Subcommand;
use ipnet::IpNet;

use super::{Failure, open, say};
use crate::app::open_vault;
use crate::auth::ACT_AS_SCOPE;
use crate::auth::token::{self, Environment, NewToken, TokenId, TokenKind};
use crate::clock::Clock;
use crate::config::Config;
use crate::tenant::{self, user};

#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Create a key and print it, once, alone on standard output
    #[command(
        after_help = "Examples:\n  mentor-gateway token create --tenant acme --user alice > alice.token\n  mentor-gateway token create --tenant acme --user runtime --kind platform --scope act-as --expires-in 90d"
    )]
    Create(Create),
    /// List a tenant's keys: number, kind, user, last four characters, state
    List {
        /// The tenant's key
        #[arg(long)]
        tenant: String,
    },
    /// Revoke a key; it stops working everywhere within two seconds
    Revoke {
        /// The number, from `token list`
        id: i64,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Create {
    /// The tenant's key
    #[arg(long)]
    tenant: String,
    /// The user it speaks for
    #[arg(long)]
    user: String,
    /// token (a person's), platform, aea (academy v1) or mcp (academy v2)
    #[arg(long, default_value = "token")]
    kind: TokenKind,
    /// What it may do (repeatable); `all` gives every scope of the kind
    #[arg(long)]
    scope: Vec<String>,
    /// live or test (the sandbox)
    #[arg(long, default_value = "live")]
    env: Environment,
    /// When it stops working: a number and s, m, h or d
    #[arg(long, value_name = "TIME")]
    expires_in: Option<Lifetime>,
    /// From where it may be used (repeatable) [default: anywhere]
    #[arg(long, value_name = "CIDR")]
    allow_ip: Vec<IpNet>,
}

/// A duration as it is typed: `90d`, `12h`.
#[derive(Debug, Clone, Copy)]
struct Lifetime(Duration);

impl FromStr for Lifetime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a number followed by s, m, h or d");
        let unit = text.chars().last().ok_or_else(wrong)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return Err(wrong()),
        };
        let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
        let seconds = number
            .checked_mul(seconds)
            .filter(|s| *s > 0)
            .ok_or_else(wrong)?;
        Ok(Self(Duration::from_secs(seconds)))
    }
}

/// What `--scope all` stands for.
fn every_scope(kind: TokenKind) -> Vec<String> {
    let scopes: &[&str] = match kind {
        TokenKind::Token => &[],
        TokenKind::Platform => &[ACT_AS_SCOPE],
        TokenKind::Aea => &["learner", "instructor", "admin"],
        TokenKind::Mcp => &["all"],
    };
    scopes.iter().map(|scope| (*scope).to_owned()).collect()
}

impl Token {
    pub(super) async fn run(self, config: &Config) -> Result<(), Failure> {
        let db = open(config).await?;
        let now = Clock::default().now();
        match self {
            Self::Create(create) => {
                let vault = open_vault(config, &db).await?;
                let mut tx = db.write().await?;
                let tenant = tenant::get(&mut tx, &create.tenant).await?;
                let user = user::get(&mut tx, tenant.id, &create.user).await?;
                let scopes = if create.scope == ["all"] {
                    every_scope(create.kind)
                } else {
                    create.scope
                };
                let new = NewToken {
                    user: &user,
                    kind: create.kind,
                    environment: create.env,
                    scopes: &scopes,
                    allow_ips: &create.allow_ip,
                    expires_at: create.expires_in.map(|lifetime| now.plus(lifetime.0)),
                };
                let (_, secret) = token::create(&mut tx, &vault, &new, now).await?;
                tx.commit().await?;
                say(secret.expose());
            }
            Self::List { tenant } => {
                let mut tx = db.read().await?;
                let tenant = tenant::get(&mut tx, &tenant).await?;
                for token in token::list(&mut tx, tenant.id).await? {
                    let state = match (token.revoked_at, token.expires_at) {
                        (Some(_), _) => "revoked",
                        (None, Some(end)) if end <= now => "expired",
                        (None, _) => "works",
                    };
                    say(format_args!(
                        "{}\t{}\t{}\t…{}\t{state}",
                        token.id.0, token.kind, token.username, token.last4
                    ));
                }
            }
            Self::Revoke { id } => {
                let mut tx = db.write().await?;
                token::revoke(&mut tx, TokenId(id), now).await?;
                tx.commit().await?;
                say(format_args!("revoked {id}"));
            }
        }
        db.close().await;
        Ok(())
    }
}

//! `token create`, `token list`, `token rotate`, `token revoke`.

use std::str::FromStr;
use std::time::Duration;

use clap::Subcommand;
use ipnet::IpNet;

use super::{Failure, open, say};
use crate::app::open_vault;
use crate::config::Config;
use base::clock::Clock;
use base::error::FieldErrors;
use base::storage::Db;
use learning::academy::sandbox;
use tenancy::auth::token::{self, Environment, NewToken, TokenId, TokenKind};
use tenancy::auth::{api_key, scope};
use tenancy::tenant;
use tenancy::tenant::user::{self, Role};

#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Create a key and print it, once, alone on standard output
    #[command(
        after_help = "Examples:\n  mentor-gateway token create --tenant acme --user alice > alice.token\n  mentor-gateway token create --tenant acme --user runtime --kind platform --scope act-as --expires-in 90d"
    )]
    Create(Create),
    /// List a tenant's keys: number, kind, user, last four characters, state
    #[command(after_help = "Example:\n  mentor-gateway token list --tenant acme")]
    List {
        /// The tenant's key
        #[arg(long)]
        tenant: String,
    },
    /// Make a key in place of another, which works on for a while, and print it, once
    #[command(after_help = "Example:\n  mentor-gateway token rotate 7 --overlap 24h")]
    Rotate {
        /// The number, from `token list`
        id: i64,
        /// How long the old key works on: a number and s, m, h or d
        #[arg(long, value_name = "TIME", default_value = "24h")]
        overlap: Lifetime,
    },
    /// Revoke a key; it stops working everywhere within two seconds
    #[command(after_help = "Example:\n  mentor-gateway token revoke 7")]
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
    /// When it stops working: a number and s, m, h or d, or `never` [default: never; 90d for mcp]
    #[arg(long, value_name = "TIME")]
    expires_in: Option<Expiry>,
    /// What it is called
    #[arg(long, default_value = "")]
    name: String,
    /// From where it may be used (repeatable) [default: anywhere]
    #[arg(long, value_name = "CIDR")]
    allow_ip: Vec<IpNet>,
}

/// A duration as it is typed: `90d`, `12h`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lifetime(Duration);

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

/// A lifetime, or none.
#[derive(Debug, Clone, Copy)]
struct Expiry(Option<Lifetime>);

impl FromStr for Expiry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "never" => Ok(Self(None)),
            _ => Ok(Self(Some(text.parse()?))),
        }
    }
}

impl Create {
    async fn run(self, config: &Config, db: &Db) -> Result<(), Failure> {
        let now = Clock::default().now();
        let vault = open_vault(config, db).await?;
        let mut tx = db.write().await?;
        let tenant = tenant::get(&mut tx, &self.tenant).await?;
        let user = user::get(&mut tx, tenant.id, &self.user).await?;
        let scopes = if self.scope == ["all"] {
            let every = scope::of_kind(self.kind).iter();
            every.map(ToString::to_string).collect()
        } else {
            self.scope
        };
        let mut errors = FieldErrors::default();
        // The operator may grant what the user's role alone would not.
        scope::check(self.kind, Role::Admin, &scopes, &mut errors);
        errors.into_result()?;
        let new = NewToken {
            user: &user,
            kind: self.kind,
            environment: self.env,
            scopes: &scopes,
            allow_ips: &self.allow_ip,
            expires_at: match self.expires_in {
                None => api_key::default_expiry(self.kind, now),
                Some(Expiry(life)) => life.map(|life| now.plus(life.0)),
            },
        };
        let (_, secret) = api_key::create(&mut tx, &vault, &new, &self.name, now).await?;
        if self.env == Environment::Test {
            let opened = sandbox::open(&mut tx, &user, now).await;
            opened.map_err(Failure::new)?;
        }
        tx.commit().await?;
        say(secret.expose());
        Ok(())
    }
}

impl Token {
    pub(super) async fn run(self, config: &Config) -> Result<(), Failure> {
        let db = open(config).await?;
        let now = Clock::default().now();
        match self {
            Self::Create(create) => create.run(config, &db).await?,
            Self::List { tenant } => {
                let mut tx = db.read().await?;
                let tenant = tenant::get(&mut tx, &tenant).await?;
                for token in token::list(&mut tx, tenant.id).await? {
                    say(format_args!(
                        "{}\t{}\t{}\t…{}\t{}\t{}",
                        token.id.0,
                        token.kind,
                        token.username,
                        token.last4,
                        token.state(now),
                        token.name
                    ));
                }
            }
            Self::Rotate { id, overlap } => {
                let vault = open_vault(config, &db).await?;
                let mut tx = db.write().await?;
                let old = token::find(&mut tx, TokenId(id)).await?;
                let (_, secret) = api_key::rotate(&mut tx, &vault, &old, overlap.0, now).await?;
                tx.commit().await?;
                say(secret.expose());
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

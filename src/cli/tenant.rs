//! `tenant create`, `tenant list`.

use clap::Subcommand;

use super::{Failure, open, say};
use crate::config::Config;
use base::clock::Clock;
use tenancy::tenant;

#[derive(Debug, Subcommand)]
pub(super) enum Tenant {
    /// Create a tenant and print its number
    #[command(after_help = "Example:\n  mentor-gateway tenant create acme --name 'Acme Academy'")]
    Create {
        /// The key, as it stands in paths: a-z, 0-9, - and _
        key: String,
        /// The display name [default: the key]
        #[arg(long)]
        name: Option<String>,
    },
    /// List the tenants: number, key, name
    #[command(after_help = "Example:\n  mentor-gateway tenant list")]
    List,
}

impl Tenant {
    pub(super) async fn run(self, config: &Config) -> Result<(), Failure> {
        let db = open(config).await?;
        match self {
            Self::Create { key, name } => {
                let mut tx = db.write().await?;
                let name = name.unwrap_or_else(|| key.clone());
                let tenant = tenant::create(&mut tx, &key, &name, Clock::default().now()).await?;
                tx.commit().await?;
                say(tenant.id.0);
            }
            Self::List => {
                for tenant in tenant::list(&mut db.read().await?).await? {
                    say(format_args!(
                        "{}\t{}\t{}",
                        tenant.id.0, tenant.key, tenant.name
                    ));
                }
            }
        }
        db.close().await;
        Ok(())
    }
}

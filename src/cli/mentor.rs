//! `mentor create`.

use clap::Subcommand;

use super::{Failure, open, say};
use crate::config::Config;
use base::clock::Clock;
use tenancy::tenant::{self, mentor};

#[derive(Debug, Subcommand)]
pub(super) enum Mentor {
    /// Create a mentor and print its UUID
    #[command(
        after_help = "Example:\n  mentor-gateway mentor create --tenant acme 'Finance Mentor'"
    )]
    Create {
        /// The tenant's key
        #[arg(long)]
        tenant: String,
        /// The display name
        name: String,
    },
}

impl Mentor {
    pub(super) async fn run(self, config: &Config) -> Result<(), Failure> {
        let Self::Create { tenant, name } = self;
        let db = open(config).await?;
        let mut tx = db.write().await?;
        let tenant = tenant::get(&mut tx, &tenant).await?;
        let mentor = mentor::create(&mut tx, tenant.id, &name, "", Clock::default().now()).await?;
        tx.commit().await?;
        say(&mentor.unique_id);
        db.close().await;
        Ok(())
    }
}

//! `user create`.

use clap::Subcommand;

use super::{Failure, open, say};
use crate::config::Config;
use base::clock::Clock;
use tenancy::tenant::user::{self, NewUser, Role};

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Create a user and print its number
    #[command(
        after_help = "Example:\n  mentor-gateway user create --tenant acme alice --role admin --email alice@acme.example"
    )]
    Create {
        /// The tenant's key
        #[arg(long)]
        tenant: String,
        /// The username
        name: String,
        /// Where mail goes
        #[arg(long, default_value = "")]
        email: String,
        /// admin, instructor, manager or learner
        #[arg(long, default_value = "learner")]
        role: Role,
    },
}

impl User {
    pub(super) async fn run(self, config: &Config) -> Result<(), Failure> {
        let Self::Create {
            tenant,
            name,
            email,
            role,
        } = self;
        let db = open(config).await?;
        let mut tx = db.write().await?;
        let tenant = tenancy::tenant::get(&mut tx, &tenant).await?;
        let new = NewUser {
            username: &name,
            email: &email,
            role,
        };
        let user = user::create(&mut tx, tenant.id, &new, Clock::default().now()).await?;
        tx.commit().await?;
        say(user.id.0);
        db.close().await;
        Ok(())
    }
}

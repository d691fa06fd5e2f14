//! `academy import`.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{Failure, open, say};
use crate::config::Config;
use base::clock::Clock;
use learning::academy::import::{self, World};
use learning::academy::{RealmId, sandbox};
use tenancy::auth::token::Environment;
use tenancy::tenant;

/// The file that stands for the standard input.
const STDIN: &str = "-";
/// Where to read on.
const HINT: &str =
    "nothing was written; docs/administrators/filling-an-academy.md shows what a file holds";

#[derive(Debug, Subcommand)]
pub(super) enum Academy {
    /// Add and replace courses, cohorts, materials and people from a file, all or nothing
    #[command(
        after_help = "Example:\n  mentor-gateway academy import --tenant acme academy.json\n\nWhat is there under the same id is replaced; enrollments and certificates that are there stay as they are."
    )]
    Import {
        /// The tenant's key
        #[arg(long)]
        tenant: String,
        /// The JSON file, or `-` for the standard input
        file: PathBuf,
        /// live or test; the sandbox begins anew with the sample every day at 00:00 UTC
        #[arg(long, default_value = "live")]
        environment: Environment,
    },
}

impl Academy {
    pub(super) async fn run(self, config: &Config) -> Result<(), Failure> {
        let Self::Import {
            tenant,
            file,
            environment,
        } = self;
        let world = read(&file)?;
        let now = Clock::default().now();
        let db = open(config).await?;
        let mut tx = db.write().await?;
        let tenant = tenant::get(&mut tx, &tenant).await?;
        let realm = match environment {
            Environment::Live => RealmId::make(&mut tx, tenant.id, environment, now).await,
            Environment::Test => sandbox::of(&mut tx, tenant.id, now).await,
        };
        let realm = realm.map_err(Failure::new)?;
        let loaded = import::load(&mut tx, realm, world, now).await;
        let counts = loaded.map_err(|error| Failure::new(error).with_hint(HINT))?;
        tx.commit().await?;
        for count in counts {
            say(format!(
                "{}\t{} written\t{} kept",
                count.kind, count.written, count.kept
            ));
        }
        db.close().await;
        Ok(())
    }
}

fn read(file: &Path) -> Result<World, Failure> {
    let text = if file == Path::new(STDIN) {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    let unread = |error: &dyn std::error::Error| {
        Failure::new(format!("{}: {error}", file.display())).with_hint(HINT)
    };
    let text = text.map_err(|error| unread(&error))?;
    serde_json::from_str(&text).map_err(|error| unread(&error))
}

//! `keys status`, `keys rotate`.

use clap::Subcommand;

use super::{Failure, open, say};
use crate::app::{SEALED, StartError, open_vault};
use crate::config::Config;
use base::secret::{KeyFileLock, Vault};
use base::storage::Db;
use broker::registry::keys::{self, KeysError};

#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// Say which master key sealed how many of the stored secrets
    #[command(after_help = "Example:\n  mentor-gateway keys status")]
    Status,
    /// Add a master key and seal every stored secret anew with it, while the service runs
    #[command(
        after_help = "Example:\n  mentor-gateway keys rotate\n\nMay be killed at any moment and run again: it then goes on where it was. The old key stays in the file until you\nremove its line, which `keys status` says when to do. Every process of the gateway reads the file again by itself.\n\nKeys in GATEWAY_MASTER_KEYS cannot be added here: put `key ID BASE64` there as the first line, restart, and run this\nto seal the stored secrets with it."
    )]
    Rotate,
}

impl Keys {
    pub(super) async fn run(self, config: &Config) -> Result<(), Failure> {
        let db = open(config).await?;
        let done = match self {
            Self::Status => status(config, &db).await,
            Self::Rotate => rotate(config, &db).await,
        };
        db.close().await;
        done
    }
}

async fn status(config: &Config, db: &Db) -> Result<(), Failure> {
    let vault = config.vault()?;
    let configured = vault.key_ids();
    let mut tx = db.read().await?;
    let mut are_missing = false;
    for (id, secrets) in keys::counts(&mut tx, &vault, SEALED).await? {
        let state = match (configured.iter().position(|known| *known == id), secrets) {
            (Some(0), _) => "seals and opens",
            (Some(_), 0) => "opens; nothing needs it, its line may be removed",
            (Some(_), _) => "opens; `keys rotate` seals these anew",
            (None, 0) => "removed",
            (None, _) => {
                are_missing = true;
                "MISSING: these secrets cannot be opened"
            }
        };
        say(format_args!("{id}\t{secrets} secrets\t{state}"));
    }
    drop(tx);
    // Says what is wrong with keys that have the right names.
    open_vault(config, db)
        .await
        .map(drop)
        .or_else(|error| match error {
            StartError::Keys(KeysError::Missing { .. }) if are_missing => Ok(()),
            error => Err(error),
        })?;
    if are_missing {
        return Err(Failure::new("a master key is missing")
            .with_hint("put its line back into the key file, from the copy you kept"));
    }
    Ok(())
}

async fn rotate(config: &Config, db: &Db) -> Result<(), Failure> {
    // The first start with a database makes its keys, this one too.
    open_vault(config, db).await?;
    let lock = match config.key_file() {
        None => None,
        Some(file) => match file.lock()? {
            None => return Err(Failure::new("another `keys rotate` is running")),
            lock => lock,
        },
    };
    let vault = open_vault(config, db).await?;
    keys::verify(db, &vault, SEALED).await.map_err(|unopened| {
        Failure::new(unopened).with_hint(
            "nothing was written; put the right master keys back, or enter these secrets again",
        )
    })?;
    let vault = match left_over(db, &vault).await? {
        0 => add_key(config, db, lock.as_ref()).await?,
        left => {
            say(format_args!(
                "going on with {}: {left} secrets are left",
                vault.key_ids()[0]
            ));
            vault
        }
    };
    let active = vault.key_ids().swap_remove(0);
    let sealed = keys::seal_anew(db, &vault, SEALED, |progress| {
        tracing::info!(records = progress.records, key = active, "sealed anew");
    });
    let progress = sealed.await.map_err(Failure::new)?;
    say(format_args!(
        "sealed the secrets of {} records anew with {active}",
        progress.records
    ));
    match left_over(db, &vault).await? {
        0 => Ok(()),
        left => Err(Failure::new(format!(
            "{left} secrets were written with the old key meanwhile"
        ))
        .with_hint("run it again")),
    }
}

/// Secrets that another key than the first sealed.
async fn left_over(db: &Db, vault: &Vault) -> Result<i64, Failure> {
    let mut tx = db.read().await?;
    let counts = keys::counts(&mut tx, vault, SEALED).await?;
    Ok(counts.iter().skip(1).map(|(_, secrets)| secrets).sum())
}

/// A new key in the file, known to the database before it seals anything.
async fn add_key(config: &Config, db: &Db, lock: Option<&KeyFileLock>) -> Result<Vault, Failure> {
    let (Some(file), Some(lock)) = (config.key_file(), lock) else {
        let hint = "put `key ID BASE64` with 32 random bytes before the others in GATEWAY_MASTER_KEYS, restart, and run this again";
        return Err(Failure::new(
            "every secret is sealed with the first key of GATEWAY_MASTER_KEYS",
        )
        .with_hint(hint));
    };
    let id = file.add_key(lock).map_err(Failure::new)?;
    say(format_args!(
        "added {id} to {}; keep a copy of the file",
        file.path().display()
    ));
    Ok(open_vault(config, db).await?)
}

//! `oauth list`, `oauth import`, `oauth enable`, `oauth disable`: the catalog of providers and services.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Failure, open, say};
use crate::config::Config;
use base::clock::{Clock, UnixMs};
use base::storage::Tx;
use broker::oauth::catalog::Catalog;
use broker::oauth::{provider, service};

#[derive(Debug, Subcommand)]
pub(super) enum Oauth {
    /// List the providers and services that people can sign in to
    #[command(after_help = "Example:\n  mentor-gateway oauth list")]
    List,
    /// Add providers and services from a file of the catalog's form
    #[command(
        after_help = "Example:\n  mentor-gateway oauth import campus.toml\n\nwith campus.toml:\n  [[provider]]\n  name = \"campus\"\n  display_name = \"Campus\"\n  auth_url = \"https://login.campus.example/authorize\"\n  token_url = \"https://login.campus.example/token\"\n\n  [[provider.service]]\n  name = \"library\"\n  display_name = \"Library\"\n  scope = \"loans.read\"\n\nThen an admin stores `auth_campus` at /api/accounts/orgs/{org}/integration-credential/."
    )]
    Import {
        /// The file
        file: PathBuf,
    },
    /// Let people sign in to a provider, or to one of its services
    #[command(after_help = "Example:\n  mentor-gateway oauth enable google/drive")]
    Enable {
        /// PROVIDER or PROVIDER/SERVICE
        name: String,
    },
    /// Let nobody begin a sign-in any more; the grants that people gave stay
    #[command(after_help = "Example:\n  mentor-gateway oauth disable slack")]
    Disable {
        /// PROVIDER or PROVIDER/SERVICE
        name: String,
    },
}

impl Oauth {
    pub(super) async fn run(self, config: &Config) -> Result<(), Failure> {
        let db = open(config).await?;
        let now = Clock::default().now();
        let built_in = Catalog::built_in();
        let mut tx = db.write().await?;
        built_in.store(&mut tx, now).await?;
        match self {
            Self::List => list(&mut tx).await?,
            Self::Import { file } => {
                let catalog = Catalog::of_file(&file).map_err(Failure::new)?;
                if let Some(name) = catalog
                    .names()
                    .find(|name| built_in.names().any(|own| own == *name))
                {
                    let text =
                        format!("{name} is in the built-in catalog, which every start puts back");
                    return Err(Failure::new(text).with_hint(
                        "name the file with --oauth-catalog instead; it wins over the built-in one",
                    ));
                }
                catalog.store(&mut tx, now).await?;
                for name in catalog.names() {
                    say(format_args!("added {name}"));
                }
            }
            Self::Enable { name } => set(&mut tx, &name, true, now).await?,
            Self::Disable { name } => set(&mut tx, &name, false, now).await?,
        }
        tx.commit().await?;
        db.close().await;
        Ok(())
    }
}

async fn list(tx: &mut Tx) -> Result<(), Failure> {
    let state = |is_enabled| if is_enabled { "on" } else { "off" };
    for provider in provider::list_catalog(tx).await? {
        let credential = provider.credential_name();
        let is_on = state(provider.is_enabled);
        say(format_args!(
            "{}\t{}\t{is_on}\tneeds {credential}",
            provider.name, provider.display_name
        ));
        for service in service::list_of(tx, provider.id).await? {
            let is_on = state(service.is_enabled);
            say(format_args!(
                "{}/{}\t{}\t{is_on}\t{}",
                provider.name, service.name, service.display_name, service.scope
            ));
        }
    }
    Ok(())
}

async fn set(tx: &mut Tx, name: &str, is_enabled: bool, now: UnixMs) -> Result<(), Failure> {
    let is_known = match name.split_once('/') {
        Some(names) => service::enable(tx, names, is_enabled, now).await?,
        None => provider::enable(tx, name, is_enabled, now).await?,
    };
    if !is_known {
        let text = format!("there is no {name:?} in the catalog");
        return Err(Failure::new(text).with_hint("`mentor-gateway oauth list` shows what there is"));
    }
    let word = if is_enabled { "enabled" } else { "disabled" };
    say(format_args!("{word} {name}"));
    Ok(())
}

//! The catalog of providers and services: the built-in one, and files of the same form that an operator adds.
//! Reads and stores; never asks the network.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::TokenAuthMethod;
use super::provider::{self, NewProvider};
use super::service::{self, NewService};
use super::template;
use base::clock::UnixMs;
use base::error::Result;
use base::storage::Tx;

/// What every gateway knows.
const BUILT_IN: &str = include_str!("catalog.toml");

/// Longest name of a provider or a service; what the published clients' models allow.
const NAME_CHARACTERS_MAX: usize = 128;

/// Providers with their services, as a file lists them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    #[serde(default, rename = "provider")]
    providers: Vec<ProviderEntry>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderEntry {
    name: String,
    display_name: String,
    #[serde(default)]
    issuer: String,
    auth_url: String,
    token_url: String,
    #[serde(default)]
    revocation_url: String,
    #[serde(default = "post")]
    token_auth_method: String,
    #[serde(default)]
    sends_iss: bool,
    #[serde(default)]
    auth_parameters: BTreeMap<String, String>,
    #[serde(default, rename = "service")]
    services: Vec<ServiceEntry>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceEntry {
    name: String,
    display_name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    scope: String,
    image: Option<String>,
}

/// What most providers take.
fn post() -> String {
    TokenAuthMethod::ClientSecretPost.as_str().to_owned()
}

/// Why a catalog cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Its file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not TOML of the documented form.
    #[error("the catalog is not in the documented form")]
    Form(#[from] Box<toml::de::Error>),
    /// An entry says what none may.
    #[error("{entry}: {problem}")]
    Entry {
        /// Which provider or service.
        entry: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl Catalog {
    /// What every gateway knows.
    pub fn built_in() -> Self {
        Self::parse(BUILT_IN).expect("the built-in catalog is in its own form")
    }

    /// Reads a catalog from a file.
    ///
    /// # Errors
    /// As [`Catalog::parse`], and `Read`.
    pub fn of_file(path: &Path) -> Result<Self, CatalogError> {
        let text = std::fs::read_to_string(path).map_err(|source| CatalogError::Read {
            path: path.into(),
            source,
        })?;
        Self::parse(&text)
    }

    /// Reads a catalog and checks every entry.
    ///
    /// # Errors
    /// `Form` or `Entry`, with where and why.
    pub fn parse(text: &str) -> Result<Self, CatalogError> {
        let catalog: Self = toml::from_str(text).map_err(Box::new)?;
        for provider in &catalog.providers {
            provider.check()?;
        }
        Ok(catalog)
    }

    /// The names of its providers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.providers.iter().map(|entry| entry.name.as_str())
    }

    /// Makes its providers and services known, or brings the known ones up to date. What it does not list stays.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn store(&self, tx: &mut Tx, now: UnixMs) -> Result<()> {
        for entry in &self.providers {
            let id = provider::store(tx, None, &entry.to_provider(), now).await?;
            for service in &entry.services {
                service::store(tx, id, &service.to_service(), now).await?;
            }
        }
        Ok(())
    }
}

impl ProviderEntry {
    fn check(&self) -> Result<(), CatalogError> {
        let wrong = |entry: &str, problem| CatalogError::Entry {
            entry: entry.to_owned(),
            problem,
        };
        check_name(&self.name).map_err(|problem| wrong(&self.name, problem))?;
        for url in [&self.auth_url, &self.token_url, &self.revocation_url] {
            let is_https =
                url.is_empty() || url.starts_with("https://") || url.starts_with("http://");
            if !is_https || !template::is_well_formed(url) {
                return Err(wrong(
                    &self.name,
                    "a URL is not one, or has a broken {name}",
                ));
            }
        }
        if self.auth_url.is_empty() || self.token_url.is_empty() {
            return Err(wrong(&self.name, "auth_url and token_url must be there"));
        }
        if self.token_auth_method.parse::<TokenAuthMethod>().is_err() {
            return Err(wrong(
                &self.name,
                "token_auth_method is client_secret_basic, client_secret_post or none",
            ));
        }
        for service in &self.services {
            let entry = format!("{}/{}", self.name, service.name);
            check_name(&service.name).map_err(|problem| wrong(&entry, problem))?;
        }
        Ok(())
    }

    fn to_provider(&self) -> NewProvider {
        NewProvider {
            name: self.name.clone(),
            display_name: self.display_name.clone(),
            issuer: self.issuer.clone(),
            auth_url: self.auth_url.clone(),
            token_url: self.token_url.clone(),
            revocation_url: self.revocation_url.clone(),
            registration_url: String::new(),
            token_auth_method: self
                .token_auth_method
                .parse()
                .unwrap_or(TokenAuthMethod::ClientSecretPost),
            sends_iss: self.sends_iss,
            takes_client_id_documents: false,
            auth_parameters: serde_json::json!(self.auth_parameters).to_string(),
        }
    }
}

impl ServiceEntry {
    fn to_service(&self) -> NewService {
        NewService {
            name: self.name.clone(),
            display_name: self.display_name.clone(),
            description: self.description.clone(),
            scope: self.scope.clone(),
            image: self.image.clone(),
            resource: String::new(),
            server_url: String::new(),
        }
    }
}

/// Names stand in paths and, between colons, in states.
fn check_name(name: &str) -> Result<(), &'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > NAME_CHARACTERS_MAX || !name.chars().all(allowed) {
        return Err("a name is 1 to 128 of a-z, A-Z, 0-9, -, _ and .");
    }
    if name.bytes().all(|b| b.is_ascii_digit()) {
        return Err("a name is not a number");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_catalog_names_the_promised_services() {
        let catalog = Catalog::built_in();
        let mut names: Vec<String> = Vec::new();
        for provider in &catalog.providers {
            for service in &provider.services {
                names.push(format!("{}/{}", provider.name, service.name));
            }
        }
        assert_eq!(
            names.join(" "),
            "google/drive google/calendar google/gmail microsoft/onedrive microsoft/outlook microsoft/calendar \
             github/github dropbox/dropbox notion/notion slack/slack canvas/canvas"
        );
    }

    #[test]
    fn an_entry_that_could_not_work_is_refused() {
        let entry = |fields: &str| {
            let text = format!("[[provider]]\ndisplay_name = \"X\"\n{fields}");
            Catalog::parse(&text)
                .map(drop)
                .map_err(|error| error.to_string())
        };
        let urls = "auth_url = \"https://a.example/\"\ntoken_url = \"https://a.example/\"";
        assert_eq!(entry(&format!("name = \"x\"\n{urls}")), Ok(()));
        for (fields, complaint) in [
            (
                format!("name = \"a b\"\n{urls}"),
                "a b: a name is 1 to 128 of a-z, A-Z, 0-9, -, _ and .",
            ),
            (
                format!("name = \"77\"\n{urls}"),
                "77: a name is not a number",
            ),
            (
                "name = \"x\"\nauth_url = \"javascript:x\"\ntoken_url = \"https://a.example/\""
                    .to_owned(),
                "x: a URL is not one, or has a broken {name}",
            ),
            (
                format!("name = \"x\"\ntoken_auth_method = \"tls\"\n{urls}"),
                "x: token_auth_method is client_secret_basic, client_secret_post or none",
            ),
            (
                format!("name = \"x\"\n{urls}\nsecret = 1"),
                "the catalog is not in the documented form",
            ),
        ] {
            assert_eq!(entry(&fields), Err(complaint.to_owned()));
        }
    }
}

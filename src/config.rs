//! Every setting: name, unit, default. Read once at start from flags, environment and file, in that order.
//! The only module that reads the environment.

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

use base::secret::{KeyFile, Secret, Vault};
use base::storage::Db;
use learning::files::BucketSettings;

/// Where the service listens unless told otherwise.
const DEFAULT_ADDR: &str = "127.0.0.1:8600";
/// Whom mails come from unless told otherwise.
const DEFAULT_MAIL_FROM: &str = "Academy <academy@localhost>";
/// The region of a bucket unless told otherwise.
const DEFAULT_REGION: &str = "us-east-1";
/// Where the number of the bucket's key stands, by the name that every tool for S3 knows.
const BUCKET_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
/// Where the bucket's key stands.
const BUCKET_KEY: &str = "AWS_SECRET_ACCESS_KEY";
/// The file of master keys inside the data directory.
const KEY_FILE: &str = "master.keys";

/// What the operator may set. The same names serve as flags (`--data-dir`), environment
/// (`GATEWAY_DATA_DIR`) and file (`data_dir = …`); flags beat environment beats file.
#[derive(Debug, Clone, Default, clap::Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A TOML file with any of these settings
    #[arg(long, global = true, env = "GATEWAY_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Where the database, the master keys and files live [default: ./data]
    #[arg(long, global = true, env = "GATEWAY_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// `sqlite:PATH` or `postgres://…` [default: SQLite inside the data directory]
    #[arg(
        long,
        global = true,
        env = "GATEWAY_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub database_url: Option<String>,
    /// `redis://…`, where several gateways share their rate limits [default: each counts for itself]
    #[arg(
        long,
        global = true,
        env = "GATEWAY_REDIS_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub redis_url: Option<String>,
    /// How many gateways share the rate limits; each allows its share while Redis is away [default: 1]
    #[arg(long, global = true, env = "GATEWAY_REPLICAS", value_name = "NUMBER")]
    pub replicas: Option<u32>,
    /// The mail server: `smtps://user:word@host`, `smtp+starttls://…` or `smtp://…` [default: mail stays in the outbox]
    #[arg(
        long,
        global = true,
        env = "GATEWAY_SMTP_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub smtp_url: Option<String>,
    /// Whom mails come from (`Academy <academy@localhost>` by default)
    #[arg(long, global = true, env = "GATEWAY_MAIL_FROM", value_name = "ADDRESS")]
    pub mail_from: Option<String>,
    /// The issuer of session tokens for academy v2; with `--session-audience` and `--session-jwks-url`
    #[arg(
        long,
        global = true,
        env = "GATEWAY_SESSION_ISSUER",
        value_name = "ISSUER"
    )]
    pub session_issuer: Option<String>,
    /// What session tokens must be meant for
    #[arg(
        long,
        global = true,
        env = "GATEWAY_SESSION_AUDIENCE",
        value_name = "AUDIENCE"
    )]
    pub session_audience: Option<String>,
    /// Where the keys of the issuer of session tokens are
    #[arg(
        long,
        global = true,
        env = "GATEWAY_SESSION_JWKS_URL",
        value_name = "URL"
    )]
    pub session_jwks_url: Option<String>,
    /// The bucket that files are kept in, `s3://BUCKET/PREFIX`; its key stands in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
    /// [default: the data directory]
    #[arg(long, global = true, env = "GATEWAY_FILES_URL", value_name = "URL")]
    pub files_url: Option<String>,
    /// The S3-compatible service of the bucket, such as `https://s3.example` [default: Amazon's]
    #[arg(
        long,
        global = true,
        env = "GATEWAY_FILES_ENDPOINT",
        value_name = "URL"
    )]
    pub files_endpoint: Option<String>,
    /// The region that the bucket is in [default: us-east-1]
    #[arg(
        long,
        global = true,
        env = "GATEWAY_FILES_REGION",
        value_name = "REGION"
    )]
    pub files_region: Option<String>,
    /// The number of the bucket's key, and the key; environment only
    #[arg(skip)]
    #[serde(skip)]
    pub files_key: Option<(Secret, Secret)>,
    /// Address and port to listen on [default: 127.0.0.1:8600]
    #[arg(long, global = true, env = "GATEWAY_ADDR", value_name = "ADDR")]
    pub addr: Option<SocketAddr>,
    /// Address and port for `/metrics`, which needs no key [default: none]
    #[arg(long, global = true, env = "GATEWAY_METRICS_ADDR", value_name = "ADDR")]
    pub metrics_addr: Option<SocketAddr>,
    /// The URL under which clients reach the gateway [default: `http://ADDR`]
    #[arg(long, global = true, env = "GATEWAY_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// A range that outgoing connections may reach beside public addresses, such as 127.0.0.0/8 (repeatable)
    #[arg(
        long,
        global = true,
        env = "GATEWAY_EGRESS_ALLOW",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    pub egress_allow: Vec<IpNet>,
    /// A file of PEM certificates to trust for outgoing TLS beside the built-in roots
    #[arg(
        long,
        global = true,
        env = "GATEWAY_EGRESS_CA_FILE",
        value_name = "FILE"
    )]
    pub egress_ca_file: Option<PathBuf>,
    /// A host name, beside loopback and the public URL's, that requests may carry in `Host` (repeatable)
    #[arg(
        long,
        global = true,
        env = "GATEWAY_ALLOW_HOST",
        value_name = "HOST",
        value_delimiter = ','
    )]
    pub allow_host: Vec<String>,
    /// An origin of browser clients that may call, such as `https://app.example` (repeatable)
    #[arg(
        long,
        global = true,
        env = "GATEWAY_ALLOW_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    pub allow_origin: Vec<String>,
    /// A TOML file of OAuth providers and services beside the built-in catalog, and before it where names are the same
    #[arg(
        long,
        global = true,
        env = "GATEWAY_OAUTH_CATALOG",
        value_name = "FILE"
    )]
    pub oauth_catalog: Option<PathBuf>,
    /// A proxy in front whose X-Forwarded-For is believed (repeatable)
    #[arg(
        long,
        global = true,
        env = "GATEWAY_TRUST_PROXY",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    pub trust_proxy: Vec<IpNet>,
    /// Longest wait for an upstream's answer or next event, in ms [default: 60000]
    #[arg(
        long,
        global = true,
        env = "GATEWAY_UPSTREAM_TIMEOUT_MS",
        value_name = "MS"
    )]
    pub upstream_timeout_ms: Option<u64>,
    /// Longest wait for open requests at shutdown, in ms [default: 30000]
    #[arg(long, global = true, env = "GATEWAY_DRAIN_MS", value_name = "MS")]
    pub drain_ms: Option<u64>,
    /// How the log is written: `text` for people, `json` for machines [default: text]
    #[arg(
        long,
        global = true,
        env = "GATEWAY_LOG_FORMAT",
        value_name = "FORMAT",
        hide_possible_values = true
    )]
    pub log_format: Option<LogFormat>,
    /// Days that audit rows are kept [default: 90]
    #[arg(long, global = true, env = "GATEWAY_AUDIT_DAYS", value_name = "DAYS")]
    pub audit_days: Option<u32>,
    /// Master keys in the form of the key file, instead of the file; environment only
    #[arg(skip)]
    #[serde(skip)]
    pub master_keys: Option<Secret>,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A line of text, for people.
    #[default]
    Text,
    /// A JSON object a line, for machines.
    Json,
}

/// What the settings mean: every value present and checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the database, the master keys and files live.
    pub data_dir: PathBuf,
    /// The database.
    pub database_url: String,
    /// Where the replicas share their rate limits.
    pub redis_url: Option<String>,
    /// How many replicas share them.
    pub replicas: u32,
    /// The mail server.
    pub smtp_url: Option<Secret>,
    /// Whom mails come from.
    pub mail_from: String,
    /// The bucket that files are kept in; `None`: the data directory.
    pub bucket: Option<BucketSettings>,
    /// Who issues session tokens for academy v2.
    pub sessions: Option<SessionIssuer>,
    /// Where the service listens.
    pub addr: SocketAddr,
    /// Where operators read the metrics.
    pub metrics_addr: Option<SocketAddr>,
    /// The URL under which clients reach the gateway, without a slash at the end; empty: whatever it listens on.
    pub public_url: Option<String>,
    /// Ranges that may be dialled beside public addresses.
    pub egress_allow: Vec<IpNet>,
    /// Certificates to trust beside the built-in roots.
    pub egress_ca_file: Option<PathBuf>,
    /// Hosts that requests may carry beside loopback and the public URL's.
    pub allow_host: Vec<String>,
    /// Origins of browser clients that may call.
    pub allow_origin: Vec<String>,
    /// Providers and services beside the built-in catalog.
    pub oauth_catalog: Option<PathBuf>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trust_proxy: Vec<IpNet>,
    /// Longest wait for an upstream's answer or next event, and of the course chat for a language model.
    pub upstream_timeout: Duration,
    /// Longest wait for open requests at shutdown.
    pub drain: Duration,
    /// How the log is written.
    pub log_format: LogFormat,
    /// Days that audit rows are kept.
    pub audit_days: u32,
    master_keys: Option<Secret>,
}

/// Who issues session tokens for academy v2.
#[derive(Debug, Clone)]
pub struct SessionIssuer {
    /// What `iss` must be.
    pub issuer: String,
    /// What `aud` must name.
    pub audience: String,
    /// Where the issuer's keys are.
    pub jwks_url: String,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML of the documented names.
    #[error("{path} is not a valid configuration")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A value is out of its range.
    #[error("{0}")]
    Value(String),
    /// The master keys are not usable.
    #[error("cannot use the master keys")]
    Keys(#[from] base::secret::VaultError),
}

impl Settings {
    /// Fills in the file's values and the defaults, and checks the result.
    ///
    /// # Errors
    /// If the file is unreadable or wrong, or a value is out of range.
    pub fn resolve(mut self) -> Result<Config, ConfigError> {
        let file = self
            .config
            .take()
            .map(|path| read_file(&path))
            .transpose()?
            .unwrap_or_default();
        let data_dir = self
            .data_dir
            .or(file.data_dir)
            .unwrap_or_else(|| "data".into());
        let default_addr = DEFAULT_ADDR.parse().expect("the default address is valid");
        let public_url = self
            .public_url
            .or(file.public_url)
            .map(|url| url.trim_end_matches('/').to_owned());
        if public_url
            .as_deref()
            .is_some_and(|url| url::Url::parse(url).is_err())
        {
            return Err(ConfigError::Value("--public-url is not a URL".into()));
        }
        let sessions = sessions(
            self.session_issuer.or(file.session_issuer),
            self.session_audience.or(file.session_audience),
            self.session_jwks_url.or(file.session_jwks_url),
        )?;
        let place = (
            self.files_endpoint.or(file.files_endpoint),
            self.files_region.or(file.files_region),
        );
        let bucket = bucket(self.files_url.or(file.files_url), place, self.files_key)?;
        let mail_from = self.mail_from.or(file.mail_from);
        let ms = |value: Option<u64>, default| Duration::from_millis(value.unwrap_or(default));
        Ok(Config {
            database_url: self
                .database_url
                .or(file.database_url)
                .unwrap_or_else(|| Db::default_url(&data_dir)),
            data_dir,
            redis_url: self.redis_url.or(file.redis_url),
            replicas: self.replicas.or(file.replicas).unwrap_or(1),
            smtp_url: self.smtp_url.or(file.smtp_url).map(Secret::new),
            bucket,
            sessions,
            mail_from: mail_from.unwrap_or_else(|| DEFAULT_MAIL_FROM.to_owned()),
            addr: self.addr.or(file.addr).unwrap_or(default_addr),
            metrics_addr: self.metrics_addr.or(file.metrics_addr),
            public_url,
            egress_allow: or_list(self.egress_allow, file.egress_allow),
            egress_ca_file: self.egress_ca_file.or(file.egress_ca_file),
            allow_host: or_list(self.allow_host, file.allow_host),
            allow_origin: or_list(self.allow_origin, file.allow_origin),
            oauth_catalog: self.oauth_catalog.or(file.oauth_catalog),
            trust_proxy: or_list(self.trust_proxy, file.trust_proxy),
            upstream_timeout: ms(
                self.upstream_timeout_ms.or(file.upstream_timeout_ms),
                60_000,
            ),
            drain: ms(self.drain_ms.or(file.drain_ms), 30_000),
            log_format: self.log_format.or(file.log_format).unwrap_or_default(),
            audit_days: self.audit_days.or(file.audit_days).unwrap_or(90),
            master_keys: self
                .master_keys
                .or_else(|| secret_of("GATEWAY_MASTER_KEYS")),
        })
    }
}

impl Config {
    /// The same settings with another data directory, and the database inside it if that was the default.
    #[must_use]
    pub fn in_data_dir(mut self, data_dir: PathBuf) -> Self {
        if self.database_url == Db::default_url(&self.data_dir) {
            self.database_url = Db::default_url(&data_dir);
        }
        self.data_dir = data_dir;
        self
    }

    /// The URL under which people reach the gateway, without a slash at the end.
    pub fn base_url(&self) -> String {
        let listening = || format!("http://{}", self.addr);
        self.public_url.clone().unwrap_or_else(listening)
    }

    /// The master keys: from `GATEWAY_MASTER_KEYS`, else from the key file.
    ///
    /// # Errors
    /// If the keys are missing, unreadable or malformed.
    pub fn vault(&self) -> Result<Vault, ConfigError> {
        match &self.master_keys {
            Some(text) => Ok(Vault::parse(text.expose())?),
            None => Ok(Vault::of_file(KeyFile::new(self.data_dir.join(KEY_FILE)))?),
        }
    }

    /// Makes the data directory, for its owner alone, if it is not there.
    ///
    /// # Errors
    /// If the file system refuses.
    pub(crate) fn make_data_dir(&self) -> std::io::Result<()> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.data_dir)
    }

    /// The key file, unless the keys are in the environment.
    pub fn key_file(&self) -> Option<KeyFile> {
        self.master_keys
            .is_none()
            .then(|| KeyFile::new(self.data_dir.join(KEY_FILE)))
    }
}

/// All three or none.
fn sessions(
    issuer: Option<String>,
    audience: Option<String>,
    jwks_url: Option<String>,
) -> Result<Option<SessionIssuer>, ConfigError> {
    match (issuer, audience, jwks_url) {
        (None, None, None) => Ok(None),
        (Some(issuer), Some(audience), Some(jwks_url)) => Ok(Some(SessionIssuer {
            issuer,
            audience,
            jwks_url,
        })),
        _ => Err(ConfigError::Value(
            "--session-issuer, --session-audience and --session-jwks-url belong together".into(),
        )),
    }
}

/// A bucket comes with a key, and what is said of one needs one.
fn bucket(
    url: Option<String>,
    (endpoint, region): (Option<String>, Option<String>),
    key: Option<(Secret, Secret)>,
) -> Result<Option<BucketSettings>, ConfigError> {
    let Some(url) = url else {
        return match (endpoint, region) {
            (None, None) => Ok(None),
            _ => Err(ConfigError::Value(
                "--files-endpoint and --files-region are about the bucket of --files-url".into(),
            )),
        };
    };
    let key = key.or_else(|| Some((secret_of(BUCKET_KEY_ID)?, secret_of(BUCKET_KEY)?)));
    let (key_id, key) = key.ok_or_else(|| {
        ConfigError::Value(format!(
            "the bucket of --files-url needs its key: set {BUCKET_KEY_ID} and {BUCKET_KEY} in the environment"
        ))
    })?;
    Ok(Some(BucketSettings {
        url,
        endpoint,
        region: region.unwrap_or_else(|| DEFAULT_REGION.to_owned()),
        key_id,
        key,
    }))
}

fn read_file(path: &Path) -> Result<Settings, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.into(),
        source,
    })?;
    toml::from_str(&text).map_err(|source| ConfigError::Parse {
        path: path.into(),
        source: Box::new(source),
    })
}

fn or_list<T>(first: Vec<T>, second: Vec<T>) -> Vec<T> {
    if first.is_empty() { second } else { first }
}

/// A secret that the environment may hold.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the module that reads the environment"
)]
fn secret_of(variable: &str) -> Option<Secret> {
    std::env::var(variable)
        .ok()
        .filter(|text| !text.trim().is_empty())
        .map(Secret::new)
}

/// The key of `stdio`: `ACADEMY_API_KEY`.
pub fn api_key() -> Option<Secret> {
    secret_of("ACADEMY_API_KEY")
}

/// The log filter: `GATEWAY_LOG`, else what is usual for the command.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the module that reads the environment"
)]
pub(crate) fn log_filter(usual: &str) -> String {
    std::env::var("GATEWAY_LOG").unwrap_or_else(|_| usual.to_owned())
}

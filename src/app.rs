//! Everything long-lived, built once from [`Config`] and passed to every handler.
//! Owns the background tasks; nothing of a request lives here.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::{Config, ConfigError};
use crate::jobs;
use base::clock::Clock;
use base::metrics::Metrics;
use base::secret::Vault;
use base::storage::{Db, Probe, StorageError};
use base::tasks::Tasks;
use base::trace;
use broker::guard::Guards;
use broker::model::Models;
use broker::oauth::Refresher;
use broker::oauth::catalog::{Catalog, CatalogError};
use broker::oauth::client::Registered;
use broker::oauth::flow::Flow;
use broker::oauth::integration::Credential;
use broker::registry::chat_model::ChatModel;
use broker::registry::connection::Connection;
use broker::registry::grant::Grant;
use broker::registry::keys::{self, KeysError};
use broker::registry::sealed::SealedTable;
use broker::registry::server::Server;
use broker::registry::server::built_in::{self, BuiltIn};
use delivery::mail::{self, Sender};
use delivery::webhook::Webhook;
use egress::{Egress, Policy, SetupError};
use learning::files::{Files, FilesError};
use relay::chat::Chat;
use relay::gateway::client::ClientSessions;
use relay::gateway::{Gateway, Parts};
use relay::upstream::Upstreams;
use tenancy::audit::{AuditLog, retention};
use tenancy::auth::{Authenticator, SessionSettings, Sessions};
use tenancy::rate_limit::{self, Limiter};

/// Every table with secrets, as its noun declares it: what a new key seals anew. A test over the schema finds what is missing.
pub const SEALED: &[SealedTable] = &[
    Server::SEALED,
    Connection::SEALED,
    ChatModel::SEALED,
    Grant::SEALED,
    Credential::SEALED,
    Registered::SEALED,
    Webhook::SEALED,
];

/// The parts of a running gateway.
pub struct App {
    /// The settings.
    pub config: Config,
    /// The source of time.
    pub clock: Clock,
    /// The database.
    pub db: Db,
    /// Whether the database works, for readiness.
    pub probe: Probe,
    /// The master keys.
    pub vault: Arc<Vault>,
    /// From keys to callers.
    pub auth: Authenticator,
    /// What is open because of a permission.
    pub guards: Guards,
    /// The audit queue of MCP calls.
    pub audit: AuditLog,
    /// What operators watch.
    pub metrics: Metrics,
    /// How many requests a key, a person and a tenant may make.
    pub limits: Limiter,
    /// The way out to the network.
    pub egress: Egress,
    /// How people sign in at other services.
    pub flow: Flow,
    /// What MCP clients see of the upstreams.
    pub gateway: Arc<Gateway>,
    /// The turns of learners with mentors.
    pub chat: Arc<Chat>,
    /// What people bring.
    pub files: Files,
    /// Servers of our own.
    pub native: Arc<native::Server>,
    /// The sessions of MCP clients.
    pub sessions: ClientSessions,
    /// Background work that shutdown waits for.
    pub tasks: Tasks,
}

/// Why the gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings or keys are not usable.
    #[error("the configuration cannot be used")]
    Config(#[from] ConfigError),
    /// The database cannot be opened.
    #[error("the database cannot be opened")]
    Storage(#[from] StorageError),
    /// The key file is not there, and the database knows keys.
    #[error("the master keys of this database are not there: {0} is missing")]
    NoKeys(PathBuf),
    /// The key file cannot be made.
    #[error("cannot make {path}")]
    NewKeys {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The keys are another database's.
    #[error("the master keys are not to be used with this database")]
    Keys(#[from] KeysError),
    /// The operator's catalog of OAuth providers cannot be used.
    #[error("the OAuth catalog cannot be used")]
    Catalog(#[from] CatalogError),
    /// The database failed while the catalog was stored.
    #[error("the OAuth catalog cannot be stored")]
    Store(#[from] base::error::Error),
    /// What people bring cannot be kept.
    #[error("files cannot be kept")]
    Files(#[from] FilesError),
    /// Redis cannot be used.
    #[error("rate limits cannot be shared")]
    Redis(#[from] rate_limit::BadUrl),
    /// Mail cannot be set up.
    #[error("mail cannot be set up")]
    Mail(#[from] mail::BadSettings),
    /// The way out cannot be set up.
    #[error("outgoing connections cannot be set up")]
    Egress(#[from] SetupError),
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl App {
    /// Opens the database, reads the keys and starts the background tasks.
    ///
    /// # Errors
    /// If the database or the keys cannot be opened.
    pub async fn start(config: Config, clock: Clock) -> Result<Arc<Self>, StartError> {
        let db = Db::open(&config.database_url).await?;
        let vault = Arc::new(open_vault(&config, &db).await?);
        store_catalog(&config, &db, &clock).await?;
        let limits = Limiter::new(config.redis_url.as_deref(), config.replicas, clock.clone())?;
        let tasks = Tasks::default();
        let metrics = Metrics::default();
        let audit = audit_of(&config, (&db, &metrics), &clock, &tasks);
        let egress = way_out(&config)?;
        let auth = Authenticator::new(db.clone(), vault.clone(), clock.clone())
            .with_sessions(sessions_of(&config, &egress, &clock));
        let guards = guards_of((&db, &metrics), &clock, &tasks);
        let upstreams = Upstreams::new(egress.clone(), tasks.clone(), config.upstream_timeout);
        let flow = flow_of(&config, (&db, &vault, &clock), &egress);
        let files = files_of(&config, &egress)?;
        let models = Models::new(egress.clone(), vault.clone(), config.upstream_timeout);
        let native = Arc::new(native::Server::new(native::Parts {
            db: db.clone(),
            vault: vault.clone(),
            clock: clock.clone(),
            audit: audit.clone(),
            limits: limits.clone(),
            sends_mail: config.smtp_url.is_some(),
            files: files.clone(),
            models: models.clone(),
        }));
        let parts = Parts {
            db: db.clone(),
            vault: vault.clone(),
            clock: clock.clone(),
            audit: audit.clone(),
            upstreams,
            tasks: tasks.clone(),
            base_url: config.base_url(),
            refresher: Refresher::new(flow.clone(), tasks.clone()),
            native: native.clone(),
            guards: guards.clone(),
        };
        let gateway = Arc::new(Gateway::new(parts));
        gateway.begin();
        let chat = Arc::new(Chat::new(relay::chat::Parts {
            db: db.clone(),
            clock: clock.clone(),
            guards: guards.clone(),
            models,
            gateway: gateway.clone(),
            tasks: tasks.clone(),
        }));
        begin_jobs(&config, &flow, (&files, &tasks))?;
        Ok(Arc::new(Self {
            config,
            clock,
            probe: Probe::new(db.clone()),
            db,
            vault,
            auth,
            guards,
            audit,
            metrics,
            limits,
            egress,
            flow,
            gateway,
            chat,
            files,
            native,
            sessions: ClientSessions::begin(&tasks),
            tasks,
        }))
    }

    /// Lists our own servers in the registry, so that every tenant can attach them to a mentor.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn offer_own_servers(&self) -> Result<(), base::error::Error> {
        let faces = native::FACES.iter();
        let servers: Vec<BuiltIn<'_>> = faces
            .map(|face| BuiltIn {
                name: face.name,
                title: face.title,
                description: face.instructions,
            })
            .collect();
        let mut tx = self.db.write().await?;
        built_in::store(&mut tx, &servers, &self.config.base_url(), self.clock.now()).await?;
        Ok(tx.commit().await?)
    }

    /// Stops the background tasks after their work and closes the database.
    pub async fn stop(&self) {
        self.tasks.finish().await;
        self.db.close().await;
    }
}

/// Where the settings say that files are kept.
fn files_of(config: &Config, egress: &Egress) -> Result<Files, FilesError> {
    match &config.bucket {
        Some(bucket) => Files::in_bucket(bucket, egress.clone()),
        None => Files::in_data_dir(&config.data_dir),
    }
}

/// Starts what happens without a request. Mail is sent if the settings name a mail server.
fn begin_jobs(
    config: &Config,
    flow: &Flow,
    (files, tasks): (&Files, &Tasks),
) -> Result<(), mail::BadSettings> {
    let url = config.smtp_url.as_ref();
    let sender = url.map(|url| Sender::new(flow.egress.clone(), url, &config.mail_from));
    let parts = jobs::Parts {
        db: flow.db.clone(),
        vault: flow.vault.clone(),
        clock: flow.clock.clone(),
        files: files.clone(),
        egress: flow.egress.clone(),
        tasks: tasks.clone(),
    };
    jobs::start(&parts, sender.transpose()?);
    Ok(())
}

/// Who reads the session tokens of the issuer that the settings name.
fn sessions_of(config: &Config, egress: &Egress, clock: &Clock) -> Option<Sessions> {
    let issuer = config.sessions.clone()?;
    let settings = SessionSettings {
        issuer: issuer.issuer,
        audience: issuer.audience,
        jwks_url: issuer.jwks_url,
    };
    Some(Sessions::new(settings, egress.clone(), clock.clone()))
}

/// What signing in needs.
fn flow_of(
    config: &Config,
    (db, vault, clock): (&Db, &Arc<Vault>, &Clock),
    egress: &Egress,
) -> Flow {
    Flow {
        db: db.clone(),
        vault: vault.clone(),
        clock: clock.clone(),
        egress: egress.clone(),
        public_url: config.public_url.clone(),
        front_ends: config.allow_origin.clone(),
    }
}

/// The audit queue, with who writes it and who deletes what is old, and who writes the log's lines about requests.
fn audit_of(
    config: &Config,
    (db, metrics): (&Db, &Metrics),
    clock: &Clock,
    tasks: &Tasks,
) -> AuditLog {
    let (audit, writer) = AuditLog::new(db.clone(), metrics.clone(), clock);
    let (writer, late) = (Arc::new(tokio::sync::Mutex::new(writer)), tasks.late());
    tasks.supervise("audit", move || {
        let (writer, late) = (writer.clone(), late.clone());
        async move { writer.lock().await.run(late).await }
    });
    let late = tasks.late();
    tasks.supervise("request_log", move || trace::keep_writing(late.clone()));
    let (db, clock, days) = (db.clone(), clock.clone(), config.audit_days);
    tasks.every("audit_retention", retention::LOOK_EVERY, move || {
        retention::run(db.clone(), clock.clone(), days)
    });
    audit
}

/// What looks after everything that is open because of a permission.
fn guards_of((db, metrics): (&Db, &Metrics), clock: &Clock, tasks: &Tasks) -> Guards {
    let guards = Guards::new(db.clone(), clock.clone(), metrics.clone());
    let (looking, stop) = (guards.clone(), tasks.stop.clone());
    tasks.supervise("guard", move || looking.clone().run(stop.clone()));
    guards
}

/// The way out to the network that the settings allow.
///
/// # Errors
/// If the operator's certificates cannot be used.
pub fn way_out(config: &Config) -> Result<Egress, SetupError> {
    Egress::new(Policy {
        allow: config.egress_allow.clone(),
        plaintext: false,
        roots_file: config.egress_ca_file.clone(),
    })
}

/// Makes the built-in providers known, and over them those of the operator's file.
async fn store_catalog(config: &Config, db: &Db, clock: &Clock) -> Result<(), StartError> {
    let file = config
        .oauth_catalog
        .as_deref()
        .map(Catalog::of_file)
        .transpose()?;
    let mut tx = db.write().await?;
    Catalog::built_in().store(&mut tx, clock.now()).await?;
    if let Some(catalog) = file {
        catalog.store(&mut tx, clock.now()).await?;
    }
    Ok(tx.commit().await?)
}

/// The master keys, held against the database before anything is written with them. The first start with a database
/// makes the key file; no later one does.
///
/// # Errors
/// If the keys are missing, malformed or another database's.
pub(crate) async fn open_vault(config: &Config, db: &Db) -> Result<Vault, StartError> {
    let mut tx = db.write().await?;
    if let Some(file) = config.key_file().filter(|file| !file.exists()) {
        let path = file.path().to_owned();
        if keys::are_known(&mut tx).await? {
            return Err(StartError::NoKeys(path));
        }
        let made = config.make_data_dir().and_then(|()| file.make());
        made.map_err(|source| StartError::NewKeys {
            path: path.clone(),
            source,
        })?;
        tracing::warn!(path = %path.display(), "made new master keys; keep a copy, every stored secret needs them");
    }
    let vault = config.vault()?;
    keys::check(&mut tx, &vault, SEALED).await?;
    tx.commit().await?;
    Ok(vault)
}

//! Tools that take their transactions themselves, because they go step by step or wait for somebody.
//! None of their transactions may be open while they wait.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::audited::AuditedCall;
use super::call::{Call, Ground, Origin, Running};
use super::failure::Refusal;
use super::progress::Progress;
use base::error::FieldErrors;
use base::storage::Tx;
use broker::model::Model;
use learning::files::Files;
use tenancy::auth::token::Environment;

/// A tool that takes its transactions itself. Its file is named after it.
pub trait LongTool: 'static {
    /// See [`Tool::NAME`](super::Tool::NAME).
    const NAME: &'static str;
    /// See [`Tool::TITLE`](super::Tool::TITLE).
    const TITLE: &'static str;
    /// See [`Tool::DESCRIPTION`](super::Tool::DESCRIPTION).
    const DESCRIPTION: &'static str;
    /// See [`Tool::SCOPES`](super::Tool::SCOPES).
    const SCOPES: &'static [&'static str];
    /// See [`Tool::IS_IDEMPOTENT`](super::Tool::IS_IDEMPOTENT).
    const IS_IDEMPOTENT: bool = false;
    /// See [`Tool::GATHERS`](super::Tool::GATHERS).
    const GATHERS: bool = false;
    /// See [`Tool::TELLS_PROGRESS`](super::Tool::TELLS_PROGRESS).
    const TELLS_PROGRESS: bool = false;
    /// What it is given.
    type Args: DeserializeOwned + JsonSchema + Send;
    /// What it answers.
    type Output: Serialize + JsonSchema + Send;

    /// Does it.
    fn call(
        call: &LongCall<'_>,
        args: Self::Args,
    ) -> impl Future<Output = Result<Self::Output, Refusal>> + Send;
}

/// One call under way that takes its transactions itself.
pub struct LongCall<'a> {
    pub(super) ground: &'a Ground,
    pub(super) origin: Origin<'a>,
    pub(super) audited: &'a AuditedCall,
    /// What is wrong with the arguments, for a tool that gathers.
    pub(super) complaints: FieldErrors,
}

impl LongCall<'_> {
    /// Where it tells how far it is.
    pub(super) fn progress(&self) -> &Progress {
        self.origin.progress
    }

    /// It will go through several transactions; its outcome is in its audit row when it ends.
    pub(super) fn spans_transactions(&self) {
        self.audited.spans_transactions();
    }

    /// Its outcome, for its audit row, if it did not just succeed.
    pub(super) fn set_outcome(&self, outcome: &'static str) {
        self.audited.set_outcome(outcome);
    }

    /// What people bring.
    pub(super) fn files(&self) -> &Files {
        &self.ground.files
    }

    /// A transaction that reads.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) async fn read(&self) -> Result<Tx, Refusal> {
        Ok(self.ground.db.read().await?)
    }

    /// A transaction that writes.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) async fn write(&self) -> Result<Tx, Refusal> {
        Ok(self.ground.db.write().await?)
    }

    /// The language model of the caller's tenant, if it has one. The sandbox has none: nothing leaves it.
    ///
    /// # Errors
    /// If the database fails, or the model's key does not open.
    pub(super) async fn model(&self, tx: &mut Tx) -> Result<Option<Model>, Refusal> {
        let caller = self.origin.caller;
        match caller.environment {
            Environment::Live => Ok(self.ground.models.of(tx, caller.tenant.id).await?),
            Environment::Test => Ok(None),
        }
    }

    /// The call within a transaction, for what works in one.
    pub(super) fn within<'t>(&'t self, tx: &'t mut Tx) -> Call<'t> {
        self.ground.begin(self.origin, tx)
    }

    /// Commits what was done, and with it the row that says so.
    ///
    /// # Errors
    /// If the database fails; then nothing was done.
    pub(super) async fn commit(&self, tx: Tx) -> Result<(), Refusal> {
        Ok(self.audited.commit(tx).await?)
    }
}

pub(super) fn run<'a, T: LongTool>(call: &'a mut LongCall<'_>, args: Value) -> Running<'a, Value> {
    Box::pin(async move {
        let args = serde_json::from_value(args).map_err(|error| Refusal::argument(&error))?;
        let output = T::call(call, args).await?;
        serde_json::to_value(output).map_err(Refusal::internal)
    })
}

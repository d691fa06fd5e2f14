//! What a tool is: its name, scope and types in one value, and the function behind it.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::call::{Call, Running};
use super::failure::Refusal;
use super::long::{self, LongCall, LongTool};
use super::schema;

/// What a tool does to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing: its transaction is never committed.
    Read,
    /// Changes it, all or nothing.
    Write,
}

/// A tool. Its file is named after it.
pub trait Tool: 'static {
    /// Its name, as clients call it.
    const NAME: &'static str;
    /// Its name for people.
    const TITLE: &'static str;
    /// What it does, for a model that has to choose.
    const DESCRIPTION: &'static str;
    /// Scopes of which any one suffices; the first is the one that a refusal names.
    const SCOPES: &'static [&'static str];
    /// What it does to the database.
    const ACCESS: Access;
    /// Whether a second call with the same arguments changes nothing more.
    const IS_IDEMPOTENT: bool = matches!(Self::ACCESS, Access::Read);
    /// Whether it is called even if some of its arguments do not fit, without those, and adds what its own rules say of
    /// the others, so that everything that is wrong is told at once.
    const GATHERS: bool = false;
    /// Whether it tells how far it is.
    const TELLS_PROGRESS: bool = false;
    /// What it is given.
    type Args: DeserializeOwned + JsonSchema + Send;
    /// What it answers.
    type Output: Serialize + JsonSchema + Send;

    /// Does it.
    fn call(
        call: &mut Call<'_>,
        args: Self::Args,
    ) -> impl Future<Output = Result<Self::Output, Refusal>> + Send;
}

/// A row of a face's table: a [`Tool`] as a value.
#[derive(Debug)]
pub struct ToolEntry {
    /// See [`Tool::NAME`].
    pub name: &'static str,
    /// See [`Tool::TITLE`].
    pub title: &'static str,
    /// See [`Tool::DESCRIPTION`].
    pub description: &'static str,
    /// See [`Tool::SCOPES`].
    pub scopes: &'static [&'static str],
    /// See [`Tool::ACCESS`].
    pub access: Access,
    /// See [`Tool::IS_IDEMPOTENT`].
    pub is_idempotent: bool,
    /// See [`Tool::GATHERS`].
    pub(super) gathers: bool,
    /// See [`Tool::TELLS_PROGRESS`].
    pub tells_progress: bool,
    /// The schema of its arguments.
    pub input: fn() -> Value,
    /// The schema of its answers.
    pub output: fn() -> Value,
    pub(super) run: Run,
}

/// How a tool is run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Run {
    /// In one transaction, which is opened and committed for it.
    Whole(for<'a> fn(&'a mut Call<'_>, Value) -> Running<'a, Value>),
    /// In transactions of its own.
    Long(for<'a> fn(&'a mut LongCall<'_>, Value) -> Running<'a, Value>),
}

/// The row of a tool.
pub const fn entry<T: Tool>() -> ToolEntry {
    ToolEntry {
        name: T::NAME,
        title: T::TITLE,
        description: T::DESCRIPTION,
        scopes: T::SCOPES,
        access: T::ACCESS,
        is_idempotent: T::IS_IDEMPOTENT,
        gathers: T::GATHERS,
        tells_progress: T::TELLS_PROGRESS,
        input: schema::of_input::<T::Args>,
        output: schema::of_output::<T::Output>,
        run: Run::Whole(run::<T>),
    }
}

/// The row of a tool that takes its transactions itself.
pub const fn long_entry<T: LongTool>() -> ToolEntry {
    ToolEntry {
        name: T::NAME,
        title: T::TITLE,
        description: T::DESCRIPTION,
        scopes: T::SCOPES,
        access: Access::Write,
        is_idempotent: T::IS_IDEMPOTENT,
        gathers: T::GATHERS,
        tells_progress: T::TELLS_PROGRESS,
        input: schema::of_input::<T::Args>,
        output: schema::of_output::<T::Output>,
        run: Run::Long(long::run::<T>),
    }
}

fn run<'a, T: Tool>(call: &'a mut Call<'_>, args: Value) -> Running<'a, Value> {
    Box::pin(async move {
        let args = serde_json::from_value(args).map_err(|error| Refusal::argument(&error))?;
        let output = T::call(call, args).await?;
        serde_json::to_value(output).map_err(Refusal::internal)
    })
}

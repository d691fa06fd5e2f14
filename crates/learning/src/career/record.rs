//! What all records of a profile have in common: they are listed, made, replaced and deleted in the same way.
//! Knows no field of any of them.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::academy::Json;
use crate::learner::Learner;
use base::clock::UnixMs;
use base::error::{Error, FieldErrors, Result};
use base::fields::entry::RecordNumber;
use base::fields::{Fields, Given, Reader, Request, Table, request, required};
use base::storage::{StorageError, Tx};

/// Records of one kind that a learner may have.
const RECORDS_MAX: usize = 200;

/// Fields of every answer that say what only we know; a client that sends back what it read sends them too.
const READ_ONLY: [&str; 7] = [
    "id",
    "user",
    "user_info",
    "company",
    "institution",
    "created_at",
    "updated_at",
];

request! {
    /// Which record is meant.
    struct RecordId {
        /// Which one; may stand in the query instead.
        id: Option<i64> = required(RecordNumber) => 1;
    }
}

/// A kind of record, as every wire shows it.
pub trait Record: Serialize + JsonSchema + Send + Sized + 'static {
    /// What it is called in refusals and audit rows.
    const NAME: &'static str;
    /// What it is called as it is written, and as it is changed.
    const REQUESTS: [&'static str; 2];
    /// What a client may set, as it comes.
    type Written: Request + Send;
    /// The fields that a client may set.
    const TABLES: &'static [&'static Table] = &[Self::Written::TABLE];
    /// The same, and which record is meant.
    const TABLES_OF_CHANGE: &'static [&'static Table] = &[Self::Written::TABLE, RecordId::TABLE];
    /// What a client may set, as it is stored.
    type Values: Default + Clone + Send + Sync;

    /// The records of a learner, or the one with this id, the latest first.
    fn rows(
        tx: &mut Tx,
        learner: &Learner,
        id: Option<i64>,
    ) -> impl Future<Output = Result<Vec<Self>>> + Send;

    /// Its number.
    fn id(&self) -> i64;

    /// What a client set of it.
    fn values(&self) -> &Self::Values;

    /// The values after a change. Of a learner who is not known nothing is looked up.
    fn values_of(
        tx: &mut Tx,
        learner: Option<&Learner>,
        change: (Self::Written, Self::Values),
        errors: &mut FieldErrors,
    ) -> impl Future<Output = Result<Self::Values>> + Send;

    /// Stores a new record and returns its id.
    fn insert(
        tx: &mut Tx,
        learner: &Learner,
        values: Self::Values,
        now: UnixMs,
    ) -> impl Future<Output = Result<i64, StorageError>> + Send;

    /// Stores what a record has become.
    fn update(
        tx: &mut Tx,
        id: i64,
        values: Self::Values,
        now: UnixMs,
    ) -> impl Future<Output = Result<u64, StorageError>> + Send;

    /// Removes a record.
    fn remove(tx: &mut Tx, id: i64) -> impl Future<Output = Result<()>> + Send;
}

/// A record as a client wrote it, with what is known to be wrong with it.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// The fields as they came.
    pub fields: Map<String, Value>,
    /// What was wrong before the rules were asked.
    pub errors: FieldErrors,
}

/// JSON that a client keeps with a record, after a change.
pub(super) fn json(written: Given<Value>, stored: Json<Value>) -> Json<Value> {
    written.over(Some(stored.0)).map(Json).unwrap_or_default()
}

/// Every record of a kind.
///
/// # Errors
/// If the database fails.
pub async fn list<R: Record>(tx: &mut Tx, learner: &Learner) -> Result<Vec<R>> {
    R::rows(tx, learner, None).await
}

/// Makes a record.
///
/// # Errors
/// `Invalid` with everything that is wrong; `Conflict` if the learner has as many as they may.
pub async fn create<R: Record>(
    tx: &mut Tx,
    learner: &Learner,
    change: Change,
    now: UnixMs,
) -> Result<R> {
    let values = read::<R>(tx, learner, change, R::Values::default()).await?;
    if R::rows(tx, learner, None).await?.len() >= RECORDS_MAX {
        let text = format!("a profile has at most {RECORDS_MAX} records of a kind");
        return Err(Error::Conflict(text));
    }
    let id = R::insert(tx, learner, values, now).await?;
    get::<R>(tx, learner, id).await
}

/// Changes the given fields of the record that `id` names; those without which there is none must be given again.
///
/// # Errors
/// `NotFound` if the learner has no such record; `Invalid` with everything that is wrong.
pub async fn replace<R: Record>(
    tx: &mut Tx,
    learner: &Learner,
    mut change: Change,
    now: UnixMs,
) -> Result<R> {
    let id = id_in(&mut change);
    let stored = match id {
        Some(id) => get::<R>(tx, learner, id).await?.values().clone(),
        None => R::Values::default(),
    };
    let values = read::<R>(tx, learner, change, stored).await?;
    let id = id.ok_or(Error::NotFound(R::NAME))?;
    R::update(tx, id, values, now).await?;
    get::<R>(tx, learner, id).await
}

/// Everything that is wrong with a record while it is not known whose it is.
///
/// # Errors
/// If the database fails.
pub async fn complaints<R: Record>(tx: &mut Tx, change: Change) -> Result<FieldErrors> {
    Ok(examine::<R>(tx, None, change, R::Values::default())
        .await?
        .1)
}

/// Deletes the record that `id` names.
///
/// # Errors
/// `Invalid` if it names none; `NotFound` if the learner has no such record; `Conflict` if another one needs it.
pub async fn delete<R: Record>(tx: &mut Tx, learner: &Learner, mut change: Change) -> Result<i64> {
    let id = id_in(&mut change);
    change.errors.into_result()?;
    let id = id.ok_or(Error::NotFound(R::NAME))?;
    get::<R>(tx, learner, id).await?;
    R::remove(tx, id).await?;
    Ok(id)
}

/// The number of a record in the fields that name it; a complaint if they do not.
fn id_in(change: &mut Change) -> Option<i64> {
    let fields = Fields::from_json(change.fields.clone());
    let mut reader = Reader::whole(&fields);
    reader.errors = std::mem::take(&mut change.errors);
    let named = RecordId::read(&mut reader);
    change.errors = reader.errors;
    named.id
}

async fn get<R: Record>(tx: &mut Tx, learner: &Learner, id: i64) -> Result<R> {
    let mut rows = R::rows(tx, learner, Some(id)).await?;
    rows.pop().ok_or(Error::NotFound(R::NAME))
}

async fn read<R: Record>(
    tx: &mut Tx,
    learner: &Learner,
    change: Change,
    stored: R::Values,
) -> Result<R::Values> {
    let (values, errors) = examine::<R>(tx, Some(learner), change, stored).await?;
    errors.into_result()?;
    Ok(values)
}

async fn examine<R: Record>(
    tx: &mut Tx,
    learner: Option<&Learner>,
    change: Change,
    stored: R::Values,
) -> Result<(R::Values, FieldErrors)> {
    let fields = Fields::from_json(change.fields);
    let mut reader = Reader::whole(&fields);
    reader.errors = change.errors;
    let written = R::Written::read(&mut reader);
    let rows = R::Written::TABLE.rows;
    let is_known =
        |name: &str| READ_ONLY.contains(&name) || rows.iter().any(|row| row.name == name);
    reader.refuse_unknown(is_known);
    let mut errors = reader.errors;
    let values = R::values_of(tx, learner, (written, stored), &mut errors).await?;
    Ok((values, errors))
}

/// A span has an end that is not before its beginning, and none while it lasts.
pub(super) fn check_span(
    (start, end): (&str, Option<&str>),
    is_current: bool,
    errors: &mut FieldErrors,
) {
    if errors.has("end_date") {
        return;
    }
    // Dates of this form are in order as texts.
    match end {
        Some(end) if !start.is_empty() && end < start => {
            errors.add("end_date", "Must not be before the start date.");
        }
        Some(_) if is_current => errors.add("end_date", "What is current has no end date."),
        _ => {}
    }
}

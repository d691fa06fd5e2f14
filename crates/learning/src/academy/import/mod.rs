//! An academy that is written down as JSON: puts it into a realm, and says which thing in it is wrong and why.
//! Loses nothing that people did: an enrollment or a certificate that is there stays as it is.

mod part;

use serde::Deserialize;
use serde_json::Value;

use self::part::{Part, Taught, Written};
use super::certificate::Certificate;
use super::cohort::NewCohort;
use super::course::Instructor;
use super::enrollment::NewEnrollment;
use super::office_hours::NewSlot;
use super::organization::Organization;
use super::person::Person;
use super::{Error, RealmId, Result, material};
use base::clock::UnixMs;
use base::error;
use base::storage::{StorageError, Tx};

/// Members that are points in time and do not say so.
const TIMES: [&str; 2] = ["registration_deadline", "active_since"];

/// What is said of a material's file: its format, its size and its pages.
const MEASURED: [&str; 3] = ["format", "size_bytes", "page_count"];

/// What is written down. Each thing is still JSON, so that a mistake is told with the thing that it is in.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct World {
    organizations: Vec<Value>,
    people: Vec<Value>,
    instructors: Vec<Value>,
    courses: Vec<Value>,
    materials: Vec<Value>,
    cohorts: Vec<Value>,
    slots: Vec<Value>,
    enrollments: Vec<Value>,
    certificates: Vec<Value>,
}

/// How many of one kind were added, replaced or kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// The kind, as it is called in the file.
    pub kind: &'static str,
    /// Those that were added or replaced.
    pub written: usize,
    /// Those that were there and stayed as they were.
    pub kept: usize,
}

/// Puts a world into a realm: what is there under the same id is replaced, what people did is kept.
///
/// # Errors
/// `Invalid` with the first thing that is wrong; then nothing of the transaction may be committed.
pub async fn load(
    tx: &mut Tx,
    realm: RealmId,
    mut world: World,
    now: UnixMs,
) -> Result<Vec<Count>> {
    for (at, item) in world.materials.iter_mut().enumerate() {
        let place = place::<Written>(at, item);
        measure(item).map_err(|why| Error::field(&place, why))?;
    }
    store(tx, realm, world, now).await
}

/// The same with materials that say of their files what they like.
pub(super) async fn store(
    tx: &mut Tx,
    realm: RealmId,
    world: World,
    now: UnixMs,
) -> Result<Vec<Count>> {
    let at = (realm, now);
    // Each kind after those that it names.
    Ok(vec![
        put_all::<Organization>(tx, at, world.organizations).await?,
        put_all::<Person>(tx, at, world.people).await?,
        put_all::<Instructor>(tx, at, world.instructors).await?,
        put_all::<Taught>(tx, at, world.courses).await?,
        put_all::<Written>(tx, at, world.materials).await?,
        put_all::<NewCohort>(tx, at, world.cohorts).await?,
        put_all::<NewSlot>(tx, at, world.slots).await?,
        put_all::<NewEnrollment>(tx, at, world.enrollments).await?,
        put_all::<Certificate>(tx, at, world.certificates).await?,
    ])
}

async fn put_all<P: Part>(
    tx: &mut Tx,
    (realm, now): (RealmId, UnixMs),
    items: Vec<Value>,
) -> Result<Count> {
    let (mut written, mut kept) = (0, 0);
    for (at, mut item) in items.into_iter().enumerate() {
        let place = place::<P>(at, &item);
        let refused = |why: String| Error::field(&place, why);
        read_times(&mut item).map_err(refused)?;
        let part = serde_json::from_value::<P>(item).map_err(|error| refused(error.to_string()))?;
        for (noun, id) in part.named() {
            if !noun.is_there(tx, realm, id).await? {
                let why =
                    format!("There is no {noun} {id:?}: add it to the file, or correct the id.");
                return Err(refused(why));
            }
        }
        match part.put(tx, realm, now).await {
            Ok(true) => written += 1,
            Ok(false) => kept += 1,
            Err(Error::Core(error)) => return Err(blamed::<P>(&place, error)),
            Err(other) => return Err(other),
        }
    }
    Ok(Count {
        kind: P::KIND,
        written,
        kept,
    })
}

/// Where a thing stands, in words for its author.
fn place<P: Part>(at: usize, item: &Value) -> String {
    let id = item["id"].as_str().unwrap_or("without an id");
    format!("{}[{at}] ({id})", P::KIND)
}

/// A refusal of the database or of a rule, with the thing that it is about.
fn blamed<P: Part>(place: &str, error: error::Error) -> Error {
    let error::Error::Internal(source) = &error else {
        return match error {
            error::Error::Invalid(_) => Error::field(place, error.to_string()),
            other => Error::Core(other),
        };
    };
    let storage = source.downcast_ref::<StorageError>();
    if storage.is_some_and(StorageError::is_unique_violation) {
        return Error::field(place, P::TAKEN);
    }
    Error::field(place, error.chain())
}

/// Whether a member of this name is a point in time.
pub(super) fn is_time(name: &str) -> bool {
    name.ends_with("_at") || TIMES.contains(&name)
}

/// Says of a material's file what is so: it is the text of its pages.
fn measure(item: &mut Value) -> Result<(), String> {
    if let Some(name) = MEASURED.iter().find(|name| item.get(name).is_some()) {
        return Err(format!("{name} is computed from the pages: leave it out."));
    }
    let text = |name: &str| item[name].as_str().unwrap_or_default();
    let pages = item["pages"].as_array().map_or(&[][..], Vec::as_slice);
    let pages: Vec<&str> = pages.iter().filter_map(Value::as_str).collect();
    let document = material::document(
        text("title"),
        text("description"),
        &pages.join(material::PAGE_BREAK),
    );
    let facts = [
        material::FORMAT.into(),
        document.len().into(),
        pages.len().into(),
    ];
    if let Some(members) = item.as_object_mut() {
        let names = MEASURED.iter().map(ToString::to_string);
        members.extend(names.zip(facts));
    }
    Ok(())
}

/// Times may be written as RFC 3339; they are stored as Unix ms.
fn read_times(item: &mut Value) -> Result<(), String> {
    let Some(members) = item.as_object_mut() else {
        return Err("This must be an object.".to_owned());
    };
    for (name, value) in members.iter_mut().filter(|(name, _)| is_time(name)) {
        if let Some(text) = value.as_str() {
            let time: jiff::Timestamp = text.parse().map_err(|_| {
                format!("{name} must be Unix ms or a time such as \"2026-03-02T09:00:00Z\", not {text:?}.")
            })?;
            *value = time.as_millisecond().into();
        }
    }
    Ok(())
}

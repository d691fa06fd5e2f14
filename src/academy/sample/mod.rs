//! A believable academy to try things out on: the people and courses of the specifications, always the same.
//! Goes into a sandbox or a demo, never beside a tenant's own data.

mod activity;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::import::{self, World};
use super::{RealmId, Result};
use crate::clock::UnixMs;
use crate::error::Error;
use crate::mail;
use crate::storage::Tx;

/// The academy of the first specification, as it stood on 2 January 2024.
pub const V1: &str = include_str!("v1.json");

/// The academy of the second specification, as it stood on 2 December 2024.
pub const V2: &str = include_str!("v2.json");

/// When [`V2`] stood so.
pub const V2_AT: UnixMs = UnixMs(1_733_133_600_000);

/// One day, in ms.
pub const DAY_MS: i64 = 86_400_000;
/// A template of mails, which belongs to the tenant and stays as it is if its number is taken.
#[derive(Debug, Deserialize)]
struct Template {
    number: i64,
    #[serde(flatten)]
    draft: mail::Draft,
}

/// Days from the timestamps of the first specification to the dates in its names.
const V1_LATE_DAYS: i64 = 366;

/// Loads both worlds, moved by whole days to now.
///
/// # Errors
/// If some of it is there.
pub async fn load_today(tx: &mut Tx, realm: RealmId, now: UnixMs) -> Result<()> {
    let days = |at: UnixMs| (now.0 - at.0).div_euclid(DAY_MS);
    let v1_days = days(V2_AT) + V1_LATE_DAYS;
    for world in [(V1, v1_days), (V2, days(V2_AT))] {
        load_moved(tx, realm, world, now).await?;
    }
    Ok(())
}

/// Loads a world into a realm in which none of it is yet.
///
/// # Errors
/// If it is not a world, or some of it is there.
pub async fn load(tx: &mut Tx, realm: RealmId, world: &str, now: UnixMs) -> Result<()> {
    load_moved(tx, realm, (world, 0), now).await
}

/// The same with every time moved by whole days, so that what was upcoming is upcoming again.
///
/// # Errors
/// As [`load`].
pub async fn load_moved(
    tx: &mut Tx,
    realm: RealmId,
    (world, days): (&str, i64),
    now: UnixMs,
) -> Result<()> {
    let mut world: Value = serde_json::from_str(world).map_err(Error::internal)?;
    move_times(&mut world, days * DAY_MS);
    let bookings: Vec<activity::Booked> = taken(&mut world, "bookings")?;
    let activities: Vec<activity::Activity> = taken(&mut world, "activities")?;
    let templates: Vec<Template> = taken(&mut world, "templates")?;
    let world: World = serde_json::from_value(world).map_err(Error::internal)?;
    import::store(tx, realm, world, now).await?;
    for row in &bookings {
        row.insert(tx, realm, now).await?;
    }
    for row in &activities {
        row.insert(tx, realm, now).await?;
    }
    let owner = realm.owner(tx).await?;
    for row in &templates {
        mail::insert(tx, owner, row.number, &row.draft, now).await?;
    }
    Ok(())
}

/// What the sample has beside an academy that is imported.
fn taken<T: DeserializeOwned>(world: &mut Value, name: &str) -> Result<Vec<T>> {
    let members = world.as_object_mut();
    let Some(items) = members.and_then(|members| members.remove(name)) else {
        return Ok(Vec::new());
    };
    Ok(serde_json::from_value(items).map_err(Error::internal)?)
}

/// Moves every member that is a point in time.
fn move_times(value: &mut Value, by_ms: i64) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| move_times(item, by_ms)),
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_i64().filter(|_| import::is_time(name)) {
                    Some(at) => *value = (at + by_ms).into(),
                    None => move_times(value, by_ms),
                }
            }
        }
        _ => {}
    }
}

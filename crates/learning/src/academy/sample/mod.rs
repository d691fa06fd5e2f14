//! A believable academy to try things out on: the people and courses of the specifications, always the same.
//! Goes into a sandbox or a demo, never beside a tenant's own data.

mod activity;

use jiff::Span;
use jiff::civil::Date;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::import::{self, World};
use super::{RealmId, Result};
use base::clock::UnixMs;
use base::error::Error;
use base::storage::Tx;
use delivery::mail;

/// The academy of the first specification, as it stood on 8 January 2024.
pub const V1: &str = include_str!("v1.json");

/// When [`V1`] stood so: the last thing in it that has happened.
const V1_AT: UnixMs = UnixMs(1_704_672_000_000);

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

/// Loads both worlds, moved by whole days to now: what has happened there has happened, and what was upcoming is.
///
/// # Errors
/// If some of it is there.
pub async fn load_today(tx: &mut Tx, realm: RealmId, now: UnixMs) -> Result<()> {
    for (world, at) in [(V1, V1_AT), (V2, V2_AT)] {
        let days = (now.0 - at.0).div_euclid(DAY_MS);
        load_moved(tx, realm, (world, days), now).await?;
    }
    Ok(())
}

/// Loads a world into a realm in which none of it is yet.
///
/// # Errors
/// If it is not a world, or some of it is there.
pub async fn load(tx: &mut Tx, realm: RealmId, world: &str, now: UnixMs) -> Result<()> {
    put(tx, realm, parsed(world)?, now).await
}

/// The same with every time moved by whole days. A cohort that was open and has begun by then is in progress.
///
/// # Errors
/// As [`load`].
pub async fn load_moved(
    tx: &mut Tx,
    realm: RealmId,
    (world, days): (&str, i64),
    now: UnixMs,
) -> Result<()> {
    let mut world = parsed(world)?;
    move_times(&mut world, days);
    for cohort in world["cohorts"].as_array_mut().into_iter().flatten() {
        let has_begun = cohort["starts_at"].as_i64().is_some_and(|at| at <= now.0);
        if has_begun && cohort["status"] == "open" {
            cohort["status"] = "in_progress".into();
        }
    }
    put(tx, realm, world, now).await
}

fn parsed(world: &str) -> Result<Value> {
    Ok(serde_json::from_str(world).map_err(Error::internal)?)
}

async fn put(tx: &mut Tx, realm: RealmId, mut world: Value, now: UnixMs) -> Result<()> {
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

/// Moves every member that is a point in time or a day.
fn move_times(value: &mut Value, days: i64) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| move_times(item, days)),
        Value::Object(members) => {
            for (name, value) in members {
                let at = value.as_i64().filter(|_| import::is_time(name));
                let day = value.as_str().filter(|_| name == "date");
                if let Some(at) = at {
                    *value = (at + days * DAY_MS).into();
                } else if let Some(day) = day.and_then(|text| text.parse::<Date>().ok()) {
                    *value = day
                        .saturating_add(Span::new().days(days))
                        .to_string()
                        .into();
                } else {
                    move_times(value, days);
                }
            }
        }
        _ => {}
    }
}

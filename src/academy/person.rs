//! People's profiles: who a key's user is in the academy.

use serde::Deserialize;
use sqlx::FromRow;

use super::{Actor, Error, RealmId, Result, new_id};
use crate::clock::UnixMs;
use crate::sql;
use crate::storage::Tx;
use crate::tenant::user::UserId;

/// Longest e-mail address, in bytes (RFC 5321).
const EMAIL_BYTES_MAX: usize = 254;

/// A profile.
#[derive(Debug, Clone, PartialEq, Eq, FromRow, Deserialize)]
pub struct Person {
    /// Its id, `usr_…`.
    pub id: String,
    /// The name on certificates.
    pub name: String,
    /// Where mail goes.
    pub email: String,
    /// The IANA time zone in which they live.
    pub timezone: String,
    /// The organization that they belong to.
    #[serde(default)]
    pub organization_id: Option<String>,
}

/// The profile of a user, if there is one.
///
/// # Errors
/// If the database fails.
pub async fn find_by_user(tx: &mut Tx, realm: RealmId, user: UserId) -> Result<Option<Person>> {
    Ok(sql!(
        tx,
        fetch_optional as Person,
        "SELECT id, name, email, timezone, organization_id FROM academy_people
         WHERE realm_id = $1 AND user_id = $2",
        realm,
        user
    )?)
}

/// The profile with this id, if there is one.
///
/// # Errors
/// If the database fails.
pub async fn find(tx: &mut Tx, realm: RealmId, id: &str) -> Result<Option<Person>> {
    Ok(sql!(
        tx,
        fetch_optional as Person,
        "SELECT id, name, email, timezone, organization_id FROM academy_people
         WHERE realm_id = $1 AND id = $2",
        realm,
        id
    )?)
}

/// The profile with this e-mail address, whatever its case, if there is one.
///
/// # Errors
/// If the database fails.
pub async fn find_by_email(tx: &mut Tx, realm: RealmId, email: &str) -> Result<Option<Person>> {
    Ok(sql!(
        tx,
        fetch_optional as Person,
        "SELECT id, name, email, timezone, organization_id FROM academy_people
         WHERE realm_id = $1 AND email = $2",
        realm,
        folded(email)
    )?)
}

/// The profile with this id, if it is the actor's own or they are an administrator.
///
/// # Errors
/// `NotYours` if it is not, or there is none.
pub async fn get(tx: &mut Tx, actor: &Actor, id: &str) -> Result<Person> {
    if !(actor.is_admin || actor.is(id)) {
        return Err(Error::NotYours("user"));
    }
    let found = find(tx, actor.realm, id).await?;
    let is_theirs = |person: &Person| match actor.confined_to() {
        Some(own) => actor.is(id) || person.organization_id.as_deref() == Some(own),
        None => true,
    };
    found.filter(is_theirs).ok_or(Error::NotYours("user"))
}

/// Ids that match a pattern and that the actor may see, for completion.
///
/// # Errors
/// If the database fails.
pub async fn ids_like(tx: &mut Tx, actor: &Actor, pattern: &str, max: i64) -> Result<Vec<String>> {
    let own = actor
        .person
        .as_ref()
        .map_or("", |person| person.id.as_str());
    let rows = sql!(
        tx,
        fetch_all as (String,),
        "SELECT id FROM academy_people WHERE realm_id = $1 AND id LIKE $2 ESCAPE '\\'
           AND (id = $3 OR $4 AND ($5 IS NULL OR organization_id = $5)) ORDER BY id LIMIT $6",
        actor.realm,
        pattern,
        own,
        actor.is_admin,
        actor.confined_to(),
        max
    )?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Adds a profile.
///
/// # Errors
/// `Invalid` if the address is none; `Core` if the id or the address is taken.
pub async fn insert(
    tx: &mut Tx,
    realm: RealmId,
    person: &Person,
    user: Option<UserId>,
    now: UnixMs,
) -> Result<()> {
    let email = folded(&person.email);
    if !is_email(&email) {
        return Err(Error::field("email", "Enter a valid email address."));
    }
    sql!(
        tx,
        execute,
        "INSERT INTO academy_people (realm_id, id, user_id, name, email, timezone, organization_id, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        realm,
        &person.id,
        user,
        &person.name,
        email,
        &person.timezone,
        person.organization_id.as_deref(),
        now
    )?;
    Ok(())
}

/// A new profile for an address that nobody has yet, named after what stands before the `@`.
///
/// # Errors
/// `Invalid` if the address is none.
pub async fn create(
    tx: &mut Tx,
    realm: RealmId,
    email: &str,
    organization: &str,
    now: UnixMs,
) -> Result<Person> {
    let name = email.split('@').next().unwrap_or_default();
    let person = Person {
        id: new_id("usr"),
        name: name.to_owned(),
        email: folded(email),
        timezone: "UTC".to_owned(),
        organization_id: Some(organization.to_owned()),
    };
    insert(tx, realm, &person, None, now).await?;
    Ok(person)
}

/// Binds a profile to the user whose keys speak for it.
///
/// # Errors
/// If the user has another profile.
pub async fn bind(tx: &mut Tx, realm: RealmId, id: &str, user: UserId) -> Result<()> {
    sql!(
        tx,
        execute,
        "UPDATE academy_people SET user_id = $3 WHERE realm_id = $1 AND id = $2",
        realm,
        id,
        user
    )?;
    Ok(())
}

/// The spelling in which addresses are compared.
fn folded(email: &str) -> String {
    email.trim().to_lowercase()
}

fn is_email(text: &str) -> bool {
    let is_plain = |part: &str| {
        !part.is_empty()
            && !part
                .contains(|c: char| c.is_control() || c.is_whitespace() || "<>,;\"\\".contains(c))
    };
    text.len() <= EMAIL_BYTES_MAX
        && text.split_once('@').is_some_and(|(name, domain)| {
            is_plain(name) && is_plain(domain) && !domain.contains('@') && domain.contains('.')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_name_and_a_domain() {
        for good in ["john@company.com", "j.d+x@mail.company.com"] {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "",
            "john",
            "@company.com",
            "john@",
            "john@company",
            "a@b@c.d",
            "a b@c.d",
            "a@c.d\r\nBcc: x",
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }
}

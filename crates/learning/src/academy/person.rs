//! People's profiles: who a key's user is in the academy.

use serde::Deserialize;
use sqlx::FromRow;

use super::{Actor, Error, RealmId, Result, new_id};
use base::clock::UnixMs;
use base::sql;
use base::storage::Tx;
use tenancy::tenant::user::{self, UserId};

/// Longest e-mail address, in bytes (RFC 5321).
const EMAIL_BYTES_MAX: usize = 254;
/// Characters of an id that a client chose at most, after `usr_`.
const ID_CHARACTERS_MAX: usize = 60;

/// A profile.
#[derive(Debug, Clone, PartialEq, Eq, FromRow, Deserialize)]
#[serde(deny_unknown_fields)]
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

impl Person {
    /// Whether the address is their own, whatever its case.
    pub fn has_email(&self, email: &str) -> bool {
        self.email == folded(email)
    }

    /// Whether the actor may see and enroll them.
    pub fn is_reached_by(&self, actor: &Actor) -> bool {
        actor.reaches(&self.id, self.organization_id.as_deref())
    }
}

/// The profile of a user, if there is one: theirs, else in the live academy nobody's yet with the address that the
/// tenant's operator gave them, and no other active user.
///
/// # Errors
/// If the database fails.
pub(crate) async fn find_by_user(
    tx: &mut Tx,
    realm: RealmId,
    user: UserId,
) -> Result<Option<Person>> {
    let bound = sql!(
        tx,
        fetch_optional as Person,
        "SELECT id, name, email, timezone, organization_id FROM academy_people
         WHERE realm_id = $1 AND user_id = $2",
        realm,
        user
    )?;
    if bound.is_some() {
        return Ok(bound);
    }
    // One way to fold on both sides: whoever would find the same profile is one of the others.
    Ok(sql!(
        tx,
        fetch_optional as Person,
        "SELECT p.id, p.name, p.email, p.timezone, p.organization_id
         FROM users u
         JOIN academy_realms r ON r.id = $1 AND r.tenant_id = u.tenant_id AND r.environment = 'live'
         JOIN academy_people p ON p.realm_id = r.id AND p.email = LOWER(TRIM(u.email)) AND p.user_id IS NULL
         WHERE u.id = $2 AND u.is_active AND NOT EXISTS (
           SELECT 1 FROM users o WHERE o.tenant_id = u.tenant_id AND o.id <> u.id AND o.is_active
             AND LOWER(TRIM(o.email)) = LOWER(TRIM(u.email)))",
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
    let found = find(tx, actor.realm, id).await?;
    found
        .filter(|person| person.is_reached_by(actor))
        .ok_or(Error::NotYours("user"))
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
    let email = checked(&person.email)?;
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

/// Adds a profile, or replaces what the one with this id says; whose it is stays.
///
/// # Errors
/// `Invalid` if the address is none; `Core` if it is taken.
pub async fn put(tx: &mut Tx, realm: RealmId, person: &Person, now: UnixMs) -> Result<()> {
    if find(tx, realm, &person.id).await?.is_none() {
        return insert(tx, realm, person, None, now).await;
    }
    let email = checked(&person.email)?;
    sql!(
        tx,
        execute,
        "UPDATE academy_people SET name = $3, email = $4, timezone = $5, organization_id = $6
         WHERE realm_id = $1 AND id = $2",
        realm,
        &person.id,
        &person.name,
        email,
        &person.timezone,
        person.organization_id.as_deref()
    )?;
    Ok(())
}

/// A profile to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewPerson<'a> {
    /// Its id; `None` for a new one.
    pub id: Option<&'a str>,
    /// Where mail goes.
    pub email: &'a str,
    /// The organization that they belong to.
    pub organization: Option<&'a str>,
}

/// A new profile for an address that nobody has yet, named after what stands before the `@`.
///
/// # Errors
/// `Invalid` if the id or the address is none; `NotYours` for an organization's administrator who names somebody of
/// another by their id, or by their address an administrator of the tenant, who would be confined to the organization.
pub async fn create(
    tx: &mut Tx,
    actor: &Actor,
    new: NewPerson<'_>,
    user: Option<UserId>,
    now: UnixMs,
) -> Result<Person> {
    if new.id.is_some_and(|id| !is_id(id)) {
        let message = "A new user's ID is usr_ and 1 to 60 of A-Z, a-z, 0-9, _ and -.";
        return Err(Error::field("userId", message));
    }
    let realm = actor.realm;
    if actor.confined_to().is_some() {
        let (tenant, _) = realm.owner(tx).await?;
        let is_taken = match new.id {
            Some(id) => find(tx, realm, id).await?.is_some(),
            None => false,
        };
        if is_taken || user::is_admins_address(tx, tenant, &folded(new.email)).await? {
            return Err(Error::NotYours("user"));
        }
    }
    let name = new.email.trim().split('@').next().unwrap_or_default();
    let person = Person {
        id: new.id.map_or_else(|| new_id("usr"), str::to_owned),
        name: name.to_owned(),
        email: folded(new.email),
        timezone: "UTC".to_owned(),
        organization_id: new.organization.map(str::to_owned),
    };
    insert(tx, realm, &person, user, now).await?;
    Ok(person)
}

/// Whom an administrator names: a profile by its id or a user of the tenant by their name, and whether a profile was made
/// for the user, who had none; `None` if it is nobody's id and nobody's name, or theirs is out of the actor's reach.
///
/// # Errors
/// `Invalid` if the user has no address, or one that is another user's in the academy.
pub async fn named(
    tx: &mut Tx,
    actor: &Actor,
    id: &str,
    organization: Option<&str>,
    now: UnixMs,
) -> Result<Option<(Person, bool)>> {
    let realm = actor.realm;
    let known = |found: Person| found.is_reached_by(actor).then_some((found, false));
    if let Some(found) = find(tx, realm, id).await? {
        return Ok(known(found));
    }
    let (tenant, _) = realm.owner(tx).await?;
    let Some(user) = user::find(tx, tenant, id).await? else {
        return Ok(None);
    };
    if let Some(own) = find_by_user(tx, realm, user.id).await? {
        return Ok(known(own));
    }
    // Whoever has no profile belongs to no organization.
    if actor.confined_to().is_some() {
        return Ok(None);
    }
    // Several users have the address: whoever is named gets what is nobody's yet.
    if let Some(theirs) = find_by_email(tx, realm, &user.email).await? {
        bind(tx, realm, &theirs.id, user.id).await?;
        return Ok(Some((theirs, false)));
    }
    let new = NewPerson {
        id: None,
        email: &user.email,
        organization,
    };
    let made = create(tx, actor, new, Some(user.id), now).await?;
    Ok(Some((made, true)))
}

/// Binds a profile to the user whose keys speak for it.
///
/// # Errors
/// `Invalid` if the profile is another user's; `Core` if the user has another profile.
pub async fn bind(tx: &mut Tx, realm: RealmId, id: &str, user: UserId) -> Result<()> {
    let bound = sql!(
        tx,
        execute,
        "UPDATE academy_people SET user_id = $3 WHERE realm_id = $1 AND id = $2 AND user_id IS NULL",
        realm,
        id,
        user
    )?;
    if bound == 0 {
        let message = "The address of this user is another user's in the academy.";
        return Err(Error::field("userId", message));
    }
    Ok(())
}

fn is_id(text: &str) -> bool {
    text.strip_prefix("usr_").is_some_and(|rest| {
        (1..=ID_CHARACTERS_MAX).contains(&rest.len())
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    })
}

/// The address as it is stored, if it is one.
fn checked(email: &str) -> Result<String> {
    let email = folded(email);
    if is_email(&email) {
        Ok(email)
    } else {
        Err(Error::field("email", "Enter a valid email address."))
    }
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
    fn an_id_that_a_client_chose_reads_like_one() {
        for good in ["usr_erin", "usr_E-1_x"] {
            assert!(is_id(good), "{good}");
        }
        let long = format!("usr_{}", "x".repeat(61));
        for bad in ["", "erin", "usr_", "usr_a b", "usr_a/b", "usr_é", &long] {
            assert!(!is_id(bad), "{bad}");
        }
    }

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

//! What the database says now of everything that open things depend on: a few statements for all of them.
//! Reads nothing that nobody asked for.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use sqlx::FromRow;

use super::{Inner, Through};
use crate::registry::Scope;
use crate::registry::grant::GrantId;
use base::clock::UnixMs;
use base::error::Result;
use base::sql_among;
use base::storage::{AMONG_MAX, Db, Tx};
use tenancy::tenant::mentor;
use tenancy::tenant::user::Role;

/// The rows by their numbers.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) keys: HashMap<i64, Key>,
    pub(super) people: HashMap<i64, Person>,
    pub(super) mentors: HashMap<i64, Mentor>,
    /// Mentor and server.
    pub(super) attachments: HashSet<(i64, i64)>,
    pub(super) servers: HashMap<i64, Server>,
    pub(super) connections: HashMap<i64, Connection>,
    /// Whether a token can be had without the person.
    pub(super) grants: HashMap<i64, bool>,
}

#[derive(Debug, FromRow)]
pub(super) struct Key {
    id: i64,
    pub(super) revoked_at: Option<UnixMs>,
    pub(super) expires_at: Option<UnixMs>,
    scopes: String,
    allow_ips: String,
}

impl Key {
    /// What it was granted. A list that is none grants nothing.
    pub(super) fn scopes(&self) -> Vec<String> {
        serde_json::from_str(&self.scopes).unwrap_or_default()
    }

    /// Whether it may be used from there. A list that is none allows nothing.
    pub(super) fn may_come_from(&self, peer: IpAddr) -> bool {
        let networks = serde_json::from_str::<Vec<IpNet>>(&self.allow_ips);
        networks.is_ok_and(|networks| {
            networks.is_empty() || networks.iter().any(|net| net.contains(&peer))
        })
    }
}

#[derive(Debug, FromRow)]
pub(super) struct Person {
    id: i64,
    #[sqlx(try_from = "String")]
    pub(super) role: Role,
    pub(super) is_active: bool,
}

#[derive(Debug, FromRow)]
pub(super) struct Mentor {
    id: i64,
    tools: String,
    can_use_tools: bool,
    pub(super) is_deleted: bool,
}

#[derive(Debug, FromRow)]
pub(super) struct Server {
    id: i64,
    pub(super) tenant_id: i64,
    pub(super) mentor_id: Option<i64>,
    pub(super) origin: String,
    pub(super) is_featured: bool,
    pub(super) is_enabled: bool,
}

#[derive(Debug, FromRow)]
pub(super) struct Connection {
    id: i64,
    pub(super) tenant_id: i64,
    pub(super) server_id: i64,
    #[sqlx(try_from = "String")]
    pub(super) scope: Scope,
    pub(super) user_id: Option<i64>,
    pub(super) mentor_id: Option<i64>,
    #[sqlx(rename = "connected_service_id")]
    pub(super) grant: Option<GrantId>,
    pub(super) origin: String,
    pub(super) is_active: bool,
    pub(super) is_shared: bool,
}

impl Mentor {
    /// As [`mentor::Mentor::may_use_mcp`].
    pub(super) fn may_use_mcp(&self) -> bool {
        mentor::may_use_mcp(self.can_use_tools, &self.tools)
    }
}

/// The numbers that are asked for.
#[derive(Debug, Default)]
struct Asked {
    keys: HashSet<i64>,
    people: HashSet<i64>,
    mentors: HashSet<i64>,
    attached_to: HashSet<i64>,
    servers: HashSet<i64>,
    connections: HashSet<i64>,
    grants: HashSet<i64>,
}

impl Asked {
    fn by(open: &[(Arc<Inner>, Through)]) -> Self {
        let mut asked = Self::default();
        for (inner, through) in open {
            let Through {
                mentor,
                server,
                connection,
                grant,
            } = *through;
            if let Some(caller) = &inner.caller {
                asked.keys.extend(caller.token.map(|key| key.0));
                asked.people.extend([caller.user.id.0, caller.actor.id.0]);
            }
            asked.mentors.extend(mentor.map(|mentor| mentor.0));
            if server.is_some() {
                asked.attached_to.extend(mentor.map(|mentor| mentor.0));
            }
            asked.servers.extend(server.map(|server| server.0));
            asked
                .connections
                .extend(connection.map(|connection| connection.0));
            asked.grants.extend(grant.map(|grant| grant.0));
        }
        asked
    }
}

/// The rows that these depend on.
///
/// # Errors
/// If the database fails.
pub(super) async fn rows(db: &Db, open: &[(Arc<Inner>, Through)]) -> Result<Rows> {
    let asked = Asked::by(open);
    let mut rows = Rows::default();
    let mut tx = db.read().await?;
    for ids in parts(asked.keys) {
        let text = "SELECT id, revoked_at, expires_at, scopes, allow_ips FROM tokens WHERE id IN ";
        let found = sql_among!(&mut tx, Key, text, &ids)?;
        rows.keys.extend(found.into_iter().map(|key| (key.id, key)));
    }
    for ids in parts(asked.people) {
        let text = "SELECT id, role, is_active FROM users WHERE id IN ";
        let found = sql_among!(&mut tx, Person, text, &ids)?;
        rows.people
            .extend(found.into_iter().map(|person| (person.id, person)));
    }
    rows.read_mentors(&mut tx, (asked.mentors, asked.attached_to))
        .await?;
    rows.read_servers(&mut tx, asked.servers).await?;
    rows.read_credentials(&mut tx, (asked.connections, asked.grants))
        .await?;
    Ok(rows)
}

impl Rows {
    async fn read_mentors(
        &mut self,
        tx: &mut Tx,
        (mentors, attached_to): (HashSet<i64>, HashSet<i64>),
    ) -> Result<()> {
        for ids in parts(mentors) {
            let text = "SELECT id, tools, can_use_tools, is_deleted FROM mentors WHERE id IN ";
            let found = sql_among!(tx, Mentor, text, &ids)?;
            self.mentors
                .extend(found.into_iter().map(|mentor| (mentor.id, mentor)));
        }
        for ids in parts(attached_to) {
            let text = "SELECT mentor_id, server_id FROM mentor_servers WHERE mentor_id IN ";
            self.attachments
                .extend(sql_among!(tx, (i64, i64), text, &ids)?);
        }
        Ok(())
    }

    async fn read_servers(&mut self, tx: &mut Tx, servers: HashSet<i64>) -> Result<()> {
        for ids in parts(servers) {
            let text = "SELECT id, tenant_id, mentor_id, origin, is_featured, is_enabled FROM servers WHERE id IN ";
            let found = sql_among!(tx, Server, text, &ids)?;
            self.servers
                .extend(found.into_iter().map(|server| (server.id, server)));
        }
        Ok(())
    }

    async fn read_credentials(
        &mut self,
        tx: &mut Tx,
        (connections, grants): (HashSet<i64>, HashSet<i64>),
    ) -> Result<()> {
        // With a grant goes its connection: what is read later is gone too.
        for ids in parts(grants) {
            let text = "SELECT id, needs_reauth IS NULL FROM connected_services WHERE id IN ";
            self.grants.extend(sql_among!(tx, (i64, bool), text, &ids)?);
        }
        for ids in parts(connections) {
            let text = "SELECT id, tenant_id, server_id, scope, user_id, mentor_id, connected_service_id, origin, \
                        is_active, is_shared FROM connections WHERE id IN ";
            let found = sql_among!(tx, Connection, text, &ids)?;
            let found = found
                .into_iter()
                .map(|connection| (connection.id, connection));
            self.connections.extend(found);
        }
        Ok(())
    }
}

/// The numbers in parts of a few sizes, so that statements stay prepared: the last one is said again to fill a part.
fn parts(ids: HashSet<i64>) -> Vec<Vec<i64>> {
    let ids: Vec<i64> = ids.into_iter().collect();
    let filled = |part: &[i64]| {
        let last = part.last().copied().into_iter().cycle();
        let size = part.len().next_power_of_two();
        part.iter().copied().chain(last).take(size).collect()
    };
    ids.chunks(AMONG_MAX).map(filled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_asked_for_in_statements_of_few_sizes() {
        assert_eq!(parts(HashSet::new()), Vec::<Vec<i64>>::new());
        for count in [1, 2, 3, 5, 511, 512, 513, 1300] {
            let ids: HashSet<i64> = (1..=count).collect();
            let parts = parts(ids.clone());
            assert!(parts.iter().all(|part| part.len().is_power_of_two()));
            assert_eq!(parts.concat().into_iter().collect::<HashSet<_>>(), ids);
        }
    }
}

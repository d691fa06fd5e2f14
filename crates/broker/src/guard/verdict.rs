//! Whether what is open may stay open: what could not be opened now, ends. Pure; reads no clock and no database.

use super::Through;
use super::look::{Connection, Key, Rows, Server};
use crate::registry::Scope;
use base::clock::UnixMs;
use base::error::Ended;
use tenancy::auth::Caller;
use tenancy::tenant::user::User;

/// Why something of this caller, or of everybody who has the credential, has ended, if it has.
pub(super) fn of(
    caller: Option<&Caller>,
    through: &Through,
    rows: &Rows,
    now: UnixMs,
) -> Option<Ended> {
    let of_caller = |caller: &Caller| {
        of_key(caller, rows, now)
            .or_else(|| of_person(&caller.actor, rows))
            .or_else(|| of_person(&caller.user, rows))
    };
    caller
        .and_then(of_caller)
        .or_else(|| of_mentor(through, rows))
        .or_else(|| of_server(caller, through, rows))
        .or_else(|| of_connection(caller, through, rows))
        .or_else(|| of_grant(through, rows))
}

fn of_key(caller: &Caller, rows: &Rows, now: UnixMs) -> Option<Ended> {
    let Some(key) = caller.token else {
        let is_over = caller.session_ends_at.is_some_and(|end| now >= end);
        return is_over.then_some(Ended::SessionOver);
    };
    match rows.keys.get(&key.0) {
        None => Some(Ended::KeyRevoked),
        Some(Key {
            revoked_at: Some(_),
            ..
        }) => Some(Ended::KeyRevoked),
        Some(key) if key.expires_at.is_some_and(|end| now >= end) => Some(Ended::KeyExpired),
        Some(key) => (!still_grants(key, caller)).then_some(Ended::KeyNarrowed),
    }
}

/// Whether a key still has every right that its caller was accepted with, and may still be used from where it was.
fn still_grants(key: &Key, caller: &Caller) -> bool {
    let scopes = key.scopes();
    let may_come = caller.peer.is_none_or(|peer| key.may_come_from(peer));
    caller.scopes.iter().all(|scope| scopes.contains(scope)) && may_come
}

fn of_person(person: &User, rows: &Rows) -> Option<Ended> {
    match rows.people.get(&person.id.0) {
        Some(now) if !now.is_active => Some(Ended::PersonOff),
        Some(now) if now.role != person.role => Some(Ended::RoleChanged),
        Some(_) => None,
        None => Some(Ended::PersonOff),
    }
}

fn of_mentor(through: &Through, rows: &Rows) -> Option<Ended> {
    let id = through.mentor?;
    let Some(mentor) = rows.mentors.get(&id.0).filter(|mentor| !mentor.is_deleted) else {
        return Some(Ended::MentorGone);
    };
    let server = through.server?;
    if !mentor.may_use_mcp() {
        return Some(Ended::ToolsOff);
    }
    let is_attached = rows.attachments.contains(&(id.0, server.0));
    let bound_to = rows
        .servers
        .get(&server.0)
        .and_then(|server| server.mentor_id);
    let is_others = bound_to.is_some_and(|bound| bound != id.0);
    (!is_attached || is_others).then_some(Ended::Detached)
}

fn of_server(caller: Option<&Caller>, through: &Through, rows: &Rows) -> Option<Ended> {
    let is_visible = |server: &&Server| {
        let sees = |caller: &Caller| server.tenant_id == caller.tenant.id.0 || server.is_featured;
        caller.is_none_or(sees)
    };
    match rows.servers.get(&through.server?.0).filter(is_visible) {
        None => Some(Ended::ServerGone),
        Some(server) => (!server.is_enabled).then_some(Ended::ServerOff),
    }
}

fn of_connection(caller: Option<&Caller>, through: &Through, rows: &Rows) -> Option<Ended> {
    let Some(connection) = rows.connections.get(&through.connection?.0) else {
        return Some(Ended::ConnectionGone);
    };
    let server = rows.servers.get(&connection.server_id);
    let is_bound = server.is_some_and(|server| server.origin == connection.origin);
    let is_theirs = caller.is_none_or(|caller| is_for(connection, caller, through));
    let is_same_grant = through.grant.is_none() || connection.grant == through.grant;
    let works = connection.is_active && is_bound && is_theirs && is_same_grant;
    (!works).then_some(Ended::ConnectionOff)
}

fn is_for(connection: &Connection, caller: &Caller, through: &Through) -> bool {
    let is_own = connection.tenant_id == caller.tenant.id.0;
    match connection.scope {
        Scope::User => is_own && connection.user_id == Some(caller.user.id.0),
        Scope::Mentor => is_own && connection.mentor_id == through.mentor.map(|mentor| mentor.0),
        Scope::Platform => is_own || connection.is_shared,
    }
}

fn of_grant(through: &Through, rows: &Rows) -> Option<Ended> {
    let grant = through.grant?;
    let works = rows.grants.get(&grant.0).is_some_and(|works| *works);
    (!works).then_some(Ended::GrantEnded)
}

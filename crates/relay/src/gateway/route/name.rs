//! Which of a mentor's servers has a tool, a prompt or a resource, and under which name of its own.

use std::sync::Arc;

use super::{Origin, RawObject, uri_of};
use crate::gateway::connect;
use crate::gateway::item::List;
use crate::gateway::lists::{self, Listing};
use crate::gateway::outcome::Outcome;
use crate::gateway::refusal::Refusal;
use crate::gateway::view::{Access, Closed, Member};
use crate::upstream::uri;
use mcp::error::{INVALID_PARAMS, RpcError};
use mcp::raw::string;

impl<'a> Origin<'a> {
    pub(super) async fn named(self, list: List, what: &str) -> Result<Outcome, Refusal> {
        let mut params = self.params()?;
        let exposed = params
            .get_str("name")
            .ok_or_else(|| RpcError::new(INVALID_PARAMS, "params.name must be a string"))?;
        name_plainly(&mut params);
        let listing = self.listing(list, &exposed).await;
        if let Some(found) = listing.find(&exposed) {
            if found.item.key != exposed {
                params.set("name", string(&found.item.key));
            }
            let member = &self.view.members[found.member];
            return self
                .call((member, Some(found.item)), params, &exposed)
                .await;
        }
        let mut members = self.view.members.iter();
        if list == List::Tools
            && let Some(member) = members.find(|member| connect::is_tool(member, &exposed))
        {
            return Ok(self.result(&connect::answer(member, self.request.version)));
        }
        // A server whose list was never read may still have it: its prefix tells which server is meant.
        let guess = self
            .view
            .members
            .iter()
            .find_map(|m| Some((m, m.prefix.strip(&exposed)?)));
        match guess {
            Some((member, name)) if never_read(member) && !is_off(member) => {
                let name = name.to_owned();
                params.set("name", string(&name));
                self.call((member, None), params, &exposed).await
            }
            _ => Err(RpcError::new(INVALID_PARAMS, format!("Unknown {what}: {exposed}")).into()),
        }
    }

    /// The listing; where a name is missing from it, after the first look at each server.
    async fn listing(&self, list: List, exposed: &str) -> Arc<Listing> {
        let listing = lists::listing(self.view, list);
        let may_have_more = |member: &Member| {
            never_read(member) || member.ready().is_some_and(|open| open.cell.is_stale())
        };
        if listing.find(exposed).is_some() || !self.view.members.iter().any(may_have_more) {
            return listing;
        }
        lists::first_looks(self.view).await;
        lists::listing(self.view, list)
    }

    pub(super) async fn resource(self) -> Result<Outcome, Refusal> {
        let mut params = self.params()?;
        let uri = uri_of(&params)?;
        let (member, own) = self.owner_of(&uri).await?;
        if own != uri {
            params.set("uri", string(&own));
        }
        self.call((member, None), params, &uri).await
    }

    /// The server that a URI was named by, and the URI as that server has it. Where the URI itself does not say it,
    /// the one server that lists it or has a template for it; never a guess (docs/inside/decisions.md#resources).
    pub(super) async fn owner_of(&self, shown: &str) -> Result<(&'a Member, String), Refusal> {
        let members = &self.view.members;
        let found = match uri::unmark(shown) {
            Some((server, own)) => members
                .iter()
                .find(|member| member.server.id.0 == server && !is_off(member))
                .map(|member| (member, own.to_owned())),
            None => self
                .only_owner_of(shown)
                .await
                .map(|member| (&members[member], shown.to_owned())),
        };
        found.ok_or_else(|| RpcError::unknown_resource(shown, self.request.version).into())
    }

    async fn only_owner_of(&self, plain: &str) -> Option<usize> {
        if self.view.members.iter().any(never_read) {
            lists::first_looks(self.view).await;
        }
        let resources = lists::listing(self.view, List::Resources);
        let templates = lists::listing(self.view, List::Templates);
        let listed = resources.all().filter(|(_, it)| it.item.key == plain);
        let fitting = templates
            .all()
            .filter(|(_, it)| it.item.key == plain || template_matches(&it.item.key, plain));
        let mut owners = listed.chain(fitting).map(|(_, found)| found.member);
        let first = owners.next()?;
        owners.all(|other| other == first).then_some(first)
    }

    pub(super) async fn completion(self) -> Result<Outcome, Refusal> {
        let mut params = self.params()?;
        let invalid = || {
            RpcError::new(
                INVALID_PARAMS,
                "params.ref must name a prompt or a resource",
            )
        };
        let reference = params.get("ref").map(<[u8]>::to_vec).ok_or_else(invalid)?;
        let mut reference = RawObject::parse(&reference).map_err(|_| invalid())?;
        let (list, key) = match reference.get_str("type").as_deref() {
            Some("ref/prompt") => (List::Prompts, "name"),
            Some("ref/resource") => (List::Templates, "uri"),
            _ => return Err(invalid().into()),
        };
        let exposed = reference.get_str(key).ok_or_else(invalid)?;
        let (member, own) = if list == List::Templates {
            self.owner_of(&exposed).await?
        } else {
            let listing = self.listing(list, &exposed).await;
            let found = listing.find(&exposed).ok_or_else(|| {
                RpcError::new(INVALID_PARAMS, format!("Unknown prompt: {exposed}"))
            })?;
            (&self.view.members[found.member], found.item.key.clone())
        };
        reference.set(key, string(&own));
        let rewritten = reference.to_json();
        params.set("ref", rewritten);
        name_plainly(&mut params);
        self.call((member, None), params, &exposed).await
    }
}

/// Whether it is switched off or featured no more, so that its tools are as unknown as if it were not there.
fn is_off(member: &Member) -> bool {
    matches!(
        member.access,
        Access::Closed(Closed::Disabled | Closed::Unavailable)
    )
}

/// A URI that a model was shown and hands to a tool is known there by its plain form.
fn name_plainly(params: &mut RawObject<'_>) {
    for member in ["arguments", "argument", "context"] {
        if let Some(plain) = params.get(member).and_then(uri::without_marks) {
            params.set(member, plain);
        }
    }
}

fn never_read(member: &Member) -> bool {
    member
        .snapshot()
        .is_none_or(|snapshot| snapshot.version == 0)
}

/// Whether a URI could come from a template (RFC 6570): its literal parts stand in it in their order.
fn template_matches(template: &str, uri: &str) -> bool {
    let mut rest = uri;
    let mut literals = template
        .split('{')
        .map(|part| part.rsplit_once('}').map_or(part, |(_, literal)| literal));
    let Some(first) = literals.next().and_then(|first| rest.strip_prefix(first)) else {
        return false;
    };
    rest = first;
    for literal in literals {
        match rest.find(literal) {
            Some(at) => rest = &rest[at + literal.len()..],
            None => return false,
        }
    }
    rest.is_empty() || template.ends_with('}')
}

#[cfg(test)]
mod tests {
    use super::template_matches;

    #[test]
    fn a_uri_belongs_to_the_template_whose_literals_it_has() {
        assert!(template_matches(
            "test://item/{id}/data",
            "test://item/7/data"
        ));
        assert!(template_matches("file:///{+path}", "file:///a/b"));
        assert!(!template_matches(
            "test://item/{id}/data",
            "test://item/7/other"
        ));
        assert!(!template_matches("test://item/{id}", "other://item/7"));
    }
}

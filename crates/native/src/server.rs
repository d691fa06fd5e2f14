//! The five steps of every call: find, admit (scope, limits), open a transaction, run, record.
//! The same steps for every tool, resource and face, and whatever the wire.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::audited::AuditedCall;
use super::call::{Ground, Origin};
use super::face::{Circumstances, Face};
use super::faces::FACES;
use super::failure::{Allowance, Failure, Refusal};
use super::long::LongCall;
use super::progress::{Progress, Told};
use super::resource::ResourceEntry;
use super::tool::{Access, Run, ToolEntry};
use base::clock::{Clock, UnixMs};
use base::error::{Error, FieldErrors};
use base::fields::check;
use base::secret::Vault;
use base::storage::{Db, like};
use base::trace;
use broker::guard::Guard;
use broker::model::Models;
use learning::files::Files;
use mcp::Version;
use tenancy::audit::{AuditLog, Entry};
use tenancy::auth::Caller;
use tenancy::rate_limit::Limiter;

/// Our own servers.
#[derive(Debug)]
pub struct Server {
    ground: Ground,
    audit: AuditLog,
    limits: Limiter,
}

/// The schema of each tool's arguments, by face and tool.
static INPUTS: LazyLock<HashMap<(&str, &str), Value>> = LazyLock::new(|| {
    let tools = FACES
        .iter()
        .flat_map(|face| face.tools.iter().map(|tool| (face.name, tool)));
    let inputs = tools.map(|(face, tool)| ((face, tool.name), (tool.input)()));
    inputs.collect()
});

/// The schema of a tool's arguments.
pub fn input(face: &Face, tool: &ToolEntry) -> Option<&'static Value> {
    INPUTS.get(&(face.name, tool.name))
}

/// One request of a client, with everything that is known about who sent it.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who calls.
    pub caller: Arc<Caller>,
    /// Ends the call with what it is allowed by.
    pub guard: Guard,
    /// Which server was called.
    pub face: &'static Face,
    /// The revision of the request; a wire without MCP has none.
    pub version: Option<Version>,
    /// The request's id in answers, logs and audit rows.
    pub request_id: Arc<str>,
    /// Scheme and host for absolute links, without a slash at the end.
    pub base_url: Arc<str>,
    /// The UUID of the mentor that it came through; empty if none.
    pub mentor: String,
    /// Where the call tells how far it is.
    pub progress: Progress,
}

impl Request {
    fn origin(&self) -> Origin<'_> {
        Origin {
            caller: &self.caller,
            base_url: &self.base_url,
            progress: &self.progress,
        }
    }
}

/// What a call came to, and how the caller's allowance stands after it.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The output, or the failure in the face's words.
    pub outcome: Result<Value, Failure>,
    /// The allowance.
    pub allowance: Allowance,
}

/// What our own servers are made of.
#[derive(Debug)]
pub struct Parts {
    /// The database.
    pub db: Db,
    /// The master keys, which sign links.
    pub vault: Arc<Vault>,
    /// The source of time.
    pub clock: Clock,
    /// The audit queue.
    pub audit: AuditLog,
    /// What callers may use.
    pub limits: Limiter,
    /// Whether there is a mail server to send through.
    pub sends_mail: bool,
    /// What people bring.
    pub files: Files,
    /// The way to language models.
    pub models: Models,
}

impl Server {
    /// The servers over these parts.
    pub fn new(parts: Parts) -> Self {
        Self {
            ground: Ground {
                db: parts.db,
                vault: parts.vault,
                clock: parts.clock,
                sends_mail: parts.sends_mail,
                files: parts.files,
                models: parts.models,
            },
            audit: parts.audit,
            limits: parts.limits,
        }
    }

    /// Calls a tool.
    pub async fn call(&self, request: &Request, name: &str, arguments: Value) -> Reply {
        let audited = self.audited(request, ("tools/call", name), names_of(&arguments));
        let tool = request.face.tool(name);
        let (charged, allowance) = self.charge(request, tool.map(|tool| tool.scopes)).await;
        request.progress.tell(Told::Counted(allowance));
        let outcome = match (charged, tool) {
            (Err(refusal), _) => Err(refusal),
            (Ok(()), None) => Err(Refusal::UnknownTool(name.to_owned())),
            (Ok(()), Some(tool)) => tokio::select! {
                biased;
                done = self.run(request, tool, arguments, &audited) => done,
                // What was not committed is undone.
                why = request.guard.ended() => Err(Refusal::Core(Error::Ended(why))),
            },
        };
        Reply {
            outcome: self.conclude(request, &audited, outcome).await,
            allowance,
        }
    }

    /// Refuses a call whose arguments could not even be read. It counts like any other.
    pub async fn refuse(&self, request: &Request, name: &str, refusal: Refusal) -> Reply {
        let audited = self.audited(request, ("tools/call", name), String::new());
        let scopes = request.face.tool(name).map(|tool| tool.scopes);
        let (charged, allowance) = self.charge(request, scopes).await;
        let refusal = charged.err().unwrap_or(refusal);
        Reply {
            outcome: self.conclude(request, &audited, Err(refusal)).await,
            allowance,
        }
    }

    /// Counts a request under the scope that it needs. Refused ones count too, save those over the allowance.
    async fn charge(
        &self,
        request: &Request,
        scopes: Option<&'static [&'static str]>,
    ) -> (Result<(), Refusal>, Allowance) {
        let scope = scopes.and_then(|scopes| scopes.first()).copied();
        let charges = (request.face.charges)(&request.caller, scope.unwrap_or_default());
        match self.limits.admit(&charges).await {
            Ok(standing) => (Ok(()), Allowance::Counted(standing)),
            Err(refused) => (Err(Refusal::Limited(refused)), Allowance::UsedUp(refused)),
        }
    }

    async fn run(
        &self,
        request: &Request,
        tool: &ToolEntry,
        arguments: Value,
        audited: &AuditedCall,
    ) -> Result<Value, Refusal> {
        admit(request, tool.scopes)?;
        let (arguments, complaints) = Self::examine(request.face, tool, arguments)?;
        match (tool.run, tool.access) {
            (Run::Whole(run), Access::Read) => {
                let mut tx = self.ground.db.read().await?;
                let mut call = self.ground.begin(request.origin(), &mut tx);
                call.complaints = complaints;
                run(&mut call, arguments).await
            }
            (Run::Whole(run), Access::Write) => {
                let mut tx = self.ground.db.write().await?;
                let mut call = self.ground.begin(request.origin(), &mut tx);
                call.complaints = complaints;
                let output = run(&mut call, arguments).await?;
                audited.commit(tx).await?;
                Ok(output)
            }
            (Run::Long(run), _) => {
                let mut call = LongCall {
                    ground: &self.ground,
                    origin: request.origin(),
                    audited,
                    complaints,
                };
                run(&mut call, arguments).await
            }
        }
    }

    /// The arguments that fit, and what is wrong with the others; these are left to a tool that gathers.
    fn examine(
        face: &Face,
        tool: &ToolEntry,
        mut arguments: Value,
    ) -> Result<(Value, FieldErrors), Refusal> {
        check::settle(&mut arguments);
        let schema = input(face, tool);
        let complaints = schema.map(|schema| check::complaints(schema, &arguments));
        let complaints = complaints.unwrap_or_default();
        match arguments.as_object_mut().filter(|_| tool.gathers) {
            Some(members) => members.retain(|name, _| !check::is_about(&complaints, name)),
            None => complaints.clone().into_result()?,
        }
        Ok((arguments, complaints))
    }

    /// Reads a resource.
    pub async fn read(&self, request: &Request, uri: &str) -> Reply {
        let audited = self.audited(request, ("resources/read", uri), String::new());
        let mut known = request.face.resources.iter();
        let found = known.find_map(|entry| Some((entry, entry.id_in(uri)?)));
        let (charged, allowance) = self
            .charge(request, found.map(|(entry, _)| entry.scopes))
            .await;
        let outcome = match (charged, found) {
            (Err(refusal), _) => Err(refusal),
            (Ok(()), None) => Err(Refusal::UnknownResource(uri.to_owned())),
            (Ok(()), Some(found)) => self.look_up(request, found).await,
        };
        Reply {
            outcome: self.conclude(request, &audited, outcome).await,
            allowance,
        }
    }

    async fn look_up(
        &self,
        request: &Request,
        (entry, id): (&ResourceEntry, &str),
    ) -> Result<Value, Refusal> {
        admit(request, entry.scopes)?;
        let mut tx = self.ground.db.read().await?;
        let mut call = self.ground.begin(request.origin(), &mut tx);
        (entry.read)(&mut call, id).await
    }

    /// Values that a template's variable may have, beginning with what was typed, counted like reading one. Nobody is
    /// told of what they may not read.
    pub(super) async fn complete(
        &self,
        request: &Request,
        entry: &ResourceEntry,
        typed: &str,
    ) -> (Result<Vec<String>, Refusal>, Allowance) {
        let (charged, allowance) = self.charge(request, Some(entry.scopes)).await;
        let found = match charged {
            Ok(()) => self.completions(request, entry, typed).await,
            Err(refusal) => Err(refusal),
        };
        (found, allowance)
    }

    async fn completions(
        &self,
        request: &Request,
        entry: &ResourceEntry,
        typed: &str,
    ) -> Result<Vec<String>, Refusal> {
        if admit(request, entry.scopes).is_err() {
            return Ok(Vec::new());
        }
        // `like` finds a text anywhere; a completion begins with it.
        let anywhere = like(typed);
        let pattern = anywhere.strip_prefix('%').unwrap_or(&anywhere);
        let mut tx = self.ground.db.read().await?;
        let mut call = self.ground.begin(request.origin(), &mut tx);
        (entry.complete)(&mut call, pattern).await
    }

    /// Spells a failure and has the call's audit row written.
    async fn conclude(
        &self,
        request: &Request,
        audited: &AuditedCall,
        outcome: Result<Value, Refusal>,
    ) -> Result<Value, Failure> {
        let outcome = outcome.map_err(|refusal| self.spell(request, &refusal));
        let failed = outcome.as_ref().err().map(Failure::outcome);
        let written = audited.conclude(&self.audit, &self.ground.db, failed);
        written.await;
        outcome
    }

    /// A refusal in the words of the face that was called.
    pub fn spell(&self, request: &Request, refusal: &Refusal) -> Failure {
        if let Refusal::Core(error @ Error::Internal(_)) = refusal {
            tracing::error!(request.id = %request.request_id, error = %error.chain(), "a call to a server of ours failed");
        }
        spell(
            request.face,
            refusal,
            &request.request_id,
            self.ground.clock.now(),
        )
    }

    fn audited(
        &self,
        request: &Request,
        (action, name): (&'static str, &str),
        arguments: String,
    ) -> AuditedCall {
        trace::note(|trace| {
            let server = trace::Server::Native(request.face.name);
            trace.calls(action, &request.mentor, Some(server));
        });
        let now = self.ground.clock.now();
        let entry = Entry::by(&request.caller, action, now);
        let entry = Entry {
            tool: name.to_owned(),
            request_id: request.request_id.to_string(),
            mentor: request.mentor.clone(),
            detail: arguments,
            ..entry.on(format!("native:{}", request.face.name))
        };
        AuditedCall::begin(entry, self.ground.clock.clone())
    }
}

/// A refusal in the words of a face.
pub fn spell(face: &Face, refusal: &Refusal, request_id: &str, now: UnixMs) -> Failure {
    (face.spell)(refusal, &Circumstances { request_id, now })
}

/// Whether the key has one of the scopes of which any suffices. What names none is open to every key of its face.
fn admit(request: &Request, scopes: &'static [&'static str]) -> Result<(), Refusal> {
    if scopes.is_empty() {
        return Ok(());
    }
    let held = &request.caller.scopes;
    let all = request.face.every_scope;
    let suffices = |scope: &String| scopes.contains(&&**scope) || !all.is_empty() && scope == all;
    if held.iter().any(suffices) {
        return Ok(());
    }
    Err(Refusal::Scope {
        required: scopes.first().copied().unwrap_or_default(),
        held: held.to_vec(),
    })
}

fn names_of(arguments: &Value) -> String {
    let names = arguments
        .as_object()
        .into_iter()
        .flat_map(|members| members.keys());
    names.map(String::as_str).collect::<Vec<_>>().join(",")
}

//! What a route is: method, path, who may call it, its handler and its documentation, in one value.
//! The router, the OpenAPI document and the tests read the same values.

use std::future::Future;
use std::net::IpAddr;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::answer::Answer;
use super::path::Words;
use super::request_id::RequestId;
use crate::app::App;
use base::clock::{Stopwatch, UnixMs};
use base::error::{Error, FieldErrors, Result};
use base::fields::{Body, Fields};
use tenancy::audit::Entry;
use tenancy::auth::Caller;

/// Longest wait for the whole body of a request.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Who may call a route. Whatever the level, `{org}` must be the caller's tenant, and a `{user_id}` or
/// `{username}` the caller, or for an admin any user of the tenant; all else answers as not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody, without a key; the handler sees no caller.
    Public,
    /// Every user of the tenant; the handler narrows what they see.
    Member,
    /// The tenant's admins; others are refused with 403.
    Admin,
}

/// One line of the route table.
#[derive(Debug, Clone)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The canonical path with `{name}` for values and a closing slash.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// What it does and how it is documented.
    pub endpoint: Endpoint,
}

/// The future of a handler.
pub type Answering = Pin<Box<dyn Future<Output = Result<Answer>> + Send>>;

/// The function behind a route. Only a public route's function can be written without a caller.
#[derive(Debug, Clone, Copy)]
pub enum Handler {
    /// Of a public route.
    Open(fn(Incoming) -> Answering),
    /// Of every other route.
    Closed(fn(Call) -> Answering),
}

/// Makes a schema, and adds what it refers to to the generator.
pub type SchemaFn = fn(&mut SchemaGenerator) -> Schema;

/// The schema of a type.
pub fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// One query parameter, for the documentation.
#[derive(Debug, Clone, Copy)]
pub struct QueryParameter {
    /// Its name.
    pub name: &'static str,
    /// Its JSON type: `string`, `boolean` or `integer`.
    pub kind: &'static str,
    /// What it does.
    pub about: &'static str,
}

/// A query parameter in short.
pub const fn query(name: &'static str, kind: &'static str, about: &'static str) -> QueryParameter {
    QueryParameter { name, kind, about }
}

/// What a success looks like.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Status and no body.
    Empty,
    /// One object, or anything else that is not a page.
    One(SchemaFn),
    /// A bare array.
    List(SchemaFn),
    /// The page envelope.
    Page(SchemaFn),
    /// Something other than JSON, of this media type.
    Media(&'static str),
}

/// A handler and its documentation.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint {
    /// What it does, one sentence.
    pub summary: &'static str,
    /// The function.
    pub handler: Handler,
    /// Its query parameters beside those of pages.
    pub query: &'static [QueryParameter],
    /// Whether it refuses parameters that it does not know: one that is misspelt would narrow nothing, without a word.
    /// Not where published clients call, which send parameters that this gateway has no use for.
    pub is_strict: bool,
    /// Its request body, if it reads one.
    pub body: Option<Body>,
    /// For an endpoint that reads a multipart form and nothing else: its largest body, in bytes.
    pub form_bytes_max: Option<usize>,
    /// Status of a success.
    pub status: u16,
    /// Body of a success.
    pub shape: Shape,
}

impl Endpoint {
    /// An endpoint for authenticated callers.
    pub const fn closed(summary: &'static str, handler: fn(Call) -> Answering) -> Self {
        Self::new(summary, Handler::Closed(handler))
    }

    /// An endpoint for anybody.
    pub const fn open(summary: &'static str, handler: fn(Incoming) -> Answering) -> Self {
        Self::new(summary, Handler::Open(handler))
    }

    const fn new(summary: &'static str, handler: Handler) -> Self {
        Self {
            summary,
            handler,
            query: &[],
            is_strict: false,
            body: None,
            form_bytes_max: None,
            status: 204,
            shape: Shape::Empty,
        }
    }

    /// With these query parameters.
    #[must_use]
    pub const fn query(mut self, parameters: &'static [QueryParameter]) -> Self {
        self.query = parameters;
        self
    }

    /// Refusing every other query parameter.
    #[must_use]
    pub(crate) const fn strict(mut self) -> Self {
        self.is_strict = true;
        self
    }

    /// Complains about parameters that are not known here.
    ///
    /// # Errors
    /// `Invalid` with each of them.
    pub(super) fn check_query(&self, query: &Fields) -> Result<()> {
        const OF_PAGES: [&str; 2] = ["page", "page_size"];
        let mut errors = FieldErrors::default();
        let is_paged = matches!(self.shape, Shape::Page(_));
        for name in query.names().filter(|_| self.is_strict) {
            let is_known = self.query.iter().any(|known| known.name == name)
                || (is_paged && OF_PAGES.contains(&name));
            if !is_known {
                errors.add(name, "This parameter is not known here.");
            }
        }
        errors.into_result()
    }

    /// With a request body of these fields.
    #[must_use]
    pub const fn reads(mut self, body: Body) -> Self {
        self.body = Some(body);
        self
    }

    /// With a request body that is a multipart form of at most so many bytes.
    #[must_use]
    pub const fn form(mut self, bytes_max: usize, body: Body) -> Self {
        self.form_bytes_max = Some(bytes_max);
        self.reads(body)
    }

    /// With this success.
    #[must_use]
    pub const fn answers(mut self, status: u16, shape: Shape) -> Self {
        self.status = status;
        self.shape = shape;
        self
    }
}

/// The values of a path's `{name}` segments, percent-decoded; `None` if they are not UTF-8.
#[derive(Debug, Clone)]
pub struct PathValues(pub(super) Option<Vec<(String, String)>>);

impl PathValues {
    /// The value of a segment that the route's path has.
    pub fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    /// The value of a segment that the route's path may have.
    pub fn find(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().flatten().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Refuses values that name nothing: no row's name is empty, broken or holds a control character.
    ///
    /// # Errors
    /// `NotFound`; nothing of the path may be looked at before this.
    pub(super) fn check(&self) -> Result<()> {
        let is_name =
            |(_, text): &(String, String)| !text.is_empty() && !text.contains(char::is_control);
        let values = self.0.as_ref();
        let are_names = values.is_some_and(|values| values.iter().all(is_name));
        are_names.then_some(()).ok_or(Error::NotFound("path"))
    }

    /// The value of `{id}` as the number of a row.
    ///
    /// # Errors
    /// `NotFound` for anything but decimal digits of a number that a row can have.
    pub fn id(&self) -> Result<i64> {
        let text = self.get("id");
        let is_decimal = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = text.parse().ok().filter(|_| is_decimal);
        number.ok_or(Error::NotFound("id"))
    }
}

/// One request as a handler sees it.
#[derive(Debug)]
pub struct Incoming {
    /// The gateway.
    pub app: Arc<App>,
    /// The path's values.
    pub path: PathValues,
    /// The headers.
    pub headers: HeaderMap,
    /// The query, decoded like a form.
    pub query: Fields,
    /// The body, decoded whatever its media type.
    pub fields: Fields,
    /// Which twin was called.
    pub words: Words,
    /// The request's id.
    pub request_id: RequestId,
    /// From where.
    pub peer: IpAddr,
    /// Scheme and host for absolute links, without a slash at the end.
    pub base_url: String,
    /// The path as the client spelled it.
    pub asked_path: String,
    /// Runs since the request came in.
    pub started: Stopwatch,
}

impl Incoming {
    /// The current time.
    pub fn now(&self) -> UnixMs {
        self.app.clock.now()
    }
}

/// One request of an authenticated caller whose path is theirs.
#[derive(Debug)]
pub struct Call {
    /// Who calls.
    pub caller: Arc<Caller>,
    /// The request.
    pub incoming: Incoming,
}

impl Deref for Call {
    type Target = Incoming;

    fn deref(&self) -> &Incoming {
        &self.incoming
    }
}

impl Call {
    /// An audit entry of this request, to be written in the transaction of its change.
    pub fn entry(&self, action: &str, object: impl Into<String>) -> Entry {
        let mut entry = Entry::by(&self.caller, action, self.now()).on(object);
        entry.request_id = self.request_id.as_str().to_owned();
        entry.duration_us = i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX);
        entry.detail = self.fields.names().collect::<Vec<_>>().join(",");
        entry
    }
}

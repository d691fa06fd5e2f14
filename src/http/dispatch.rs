//! From an HTTP request to a handler: authenticate, then look at the path, then read the body.
//! The order is the defence: nobody learns anything about a path before their key was checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter};
use http::header::{ALLOW, CACHE_CONTROL};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};

use super::answer::{Answer, Fault};
use super::base_url;
use super::caller::{authenticate, peer_address};
use super::drf;
use super::endpoint::{
    Access, Answering, BODY_TIMEOUT, Call, Handler, Incoming, PathValues, Route,
};
use super::path::{AskedPath, Words};
use super::request_id::RequestId;
use super::routes::ROUTES;
use crate::app::App;
use base::clock::Stopwatch;
use base::error::{Error, Result};
use base::fields::Fields;
use base::trace;
use tenancy::audit::Entry;
use tenancy::auth::Caller;
use tenancy::tenant::user;

/// Words of the paths whose changes decide who may use which server. A path that is missing here is felt a second later.
const DECIDING: [&str; 5] = [
    "/mcp-server",
    "/mentors/",
    "/{name}/",
    "/connected-services/",
    "/integration-credential/",
];

/// What is answered to a key is for its holder only.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The router of the table: canonical paths only, see [`super::path::canonicalize`].
pub(super) fn router(app: &Arc<App>) -> Router {
    let mut paths: BTreeMap<String, Vec<&'static Route>> = BTreeMap::new();
    for route in ROUTES {
        paths.entry(placed(route.path)).or_default().push(route);
    }
    let mut router = Router::new();
    for (path, routes) in paths {
        router = router.route(&path, of_path(app, &routes));
    }
    router.fallback(|request: Request| async move {
        drf::error::answer(&Error::NotFound("path"), words_of(request.extensions()))
    })
}

/// A path of the table as the router takes it: values by their place, so that two routes may name one differently.
fn placed(path: &str) -> String {
    let place = |(at, segment): (usize, &str)| match segment.starts_with('{') {
        true => format!("{{{at}}}"),
        false => segment.to_owned(),
    };
    let segments = path.trim_end_matches('/').split('/').enumerate().map(place);
    segments.collect::<Vec<_>>().join("/")
}

/// The values of a path under the names that its route gives them.
fn named(route: &Route, raw: &RawPathParams) -> Vec<(String, String)> {
    let names = route
        .path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let values = raw.iter().map(|(_, value)| value.to_owned());
    names.map(str::to_owned).zip(values).collect()
}

fn words_of(extensions: &http::Extensions) -> Words {
    extensions.get().copied().unwrap_or_default()
}

fn of_path(app: &Arc<App>, routes: &[&'static Route]) -> MethodRouter {
    let mut methods = MethodRouter::new();
    let mut allow = Vec::new();
    for &route in routes {
        let filter = MethodFilter::try_from(route.method.clone())
            .expect("the table has only methods that axum knows");
        allow.push(route.method.as_str());
        let app = app.clone();
        methods = methods.on(filter, move |request: Request| run(app, route, request));
    }
    if allow.contains(&"GET") {
        allow.push("HEAD");
    }
    allow.push("OPTIONS");
    let allow = HeaderValue::try_from(allow.join(", ")).expect("methods are header text");
    methods.fallback(move |request: Request| async move { other_method(request.method(), allow) })
}

fn other_method(method: &Method, allow: HeaderValue) -> Response {
    let mut response = if method == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        let detail = format!("Method \"{method}\" not allowed.");
        drf::error::detail(StatusCode::METHOD_NOT_ALLOWED, &detail)
    };
    response.headers_mut().insert(ALLOW, allow);
    response
}

async fn run(app: Arc<App>, route: &'static Route, request: Request) -> Response {
    let words = words_of(request.extensions());
    trace::note(|trace| trace.routed(route.path.into()));
    let guards = app.guards.clone();
    let mut response = match answer(app, route, request).await {
        Ok(answer) => {
            if route.method != Method::GET {
                // What was changed here ends what is open here at once.
                guards.look_soon();
            }
            answer.into_response()
        }
        Err(error) => drf::error::answer(&error, words),
    };
    if let Some(fault) = response.extensions_mut().get_mut::<Fault>() {
        fault.route = route.path;
    }
    if route.access != Access::Public {
        response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    }
    response
}

async fn answer(app: Arc<App>, route: &'static Route, request: Request) -> Result<Answer> {
    let (mut parts, body) = request.into_parts();
    let mut incoming = incoming(app, route, &mut parts).await;
    match route.endpoint.handler {
        Handler::Open(handler) => {
            incoming.path.check()?;
            incoming.fields = fields(route, &parts, body).await?;
            handler(incoming).await
        }
        Handler::Closed(handler) => {
            let peer = incoming.peer;
            let caller = authenticate(&incoming.app, &parts.headers, peer).await?;
            caller.require_general_key()?;
            let refusal = refusal(&incoming, &caller, route);
            let log = incoming.app.audit.clone();
            let app = incoming.app.clone();
            let answer = closed(incoming, caller, (route, handler), (&parts, body)).await;
            if route.method != Method::GET && DECIDING.iter().any(|word| route.path.contains(word))
            {
                app.gateway.changed();
            }
            if let (Err(Error::Forbidden(_)), Some(entry)) = (&answer, refusal) {
                log.push(entry);
            }
            answer
        }
    }
}

async fn closed(
    mut incoming: Incoming,
    caller: Arc<Caller>,
    (route, handler): (&Route, fn(Call) -> Answering),
    (parts, body): (&Parts, Body),
) -> Result<Answer> {
    incoming.path.check()?;
    admit(&incoming, &caller, route.access).await?;
    route.endpoint.check_query(&incoming.query)?;
    incoming.fields = fields(route, parts, body).await?;
    handler(Call { caller, incoming }).await
}

async fn incoming(app: Arc<App>, route: &Route, parts: &mut Parts) -> Incoming {
    let raw = RawPathParams::from_request_parts(parts, &()).await;
    let values = raw.ok().map(|raw| named(route, &raw));
    let asked_path = parts.extensions.get::<AskedPath>().cloned();
    Incoming {
        path: PathValues(values),
        headers: parts.headers.clone(),
        query: Fields::from_query(parts.uri.query().unwrap_or_default()),
        fields: Fields::default(),
        words: words_of(&parts.extensions),
        request_id: RequestId::of(&parts.extensions),
        peer: peer_address(&parts.extensions, &parts.headers, &app.config.trust_proxy),
        base_url: base_url::of(&app, &parts.headers),
        asked_path: asked_path.map_or_else(|| parts.uri.path().to_owned(), |path| path.0),
        started: Stopwatch::start(),
        app,
    }
}

/// The path must name the caller's tenant, and the caller or a user whom they administer.
async fn admit(incoming: &Incoming, caller: &Caller, access: Access) -> Result<()> {
    if let Some(org) = incoming.path.find("org") {
        caller.require_tenant(org)?;
    }
    let named = incoming.path.find("user_id");
    if let Some(name) = named.or_else(|| incoming.path.find("username"))
        && name != caller.user.username
    {
        let mut tx = incoming.app.db.read().await?;
        user::seen_by(&mut tx, &caller.user, name).await?;
    }
    match access {
        Access::Public | Access::Member => Ok(()),
        Access::Admin => caller.require_admin(),
    }
}

/// The row that a change leaves if it is refused. It is queued: there is no transaction that it could join.
fn refusal(incoming: &Incoming, caller: &Caller, route: &Route) -> Option<Entry> {
    if route.method == Method::GET {
        return None;
    }
    let action = format!("{} {}", route.method, route.path);
    let mut entry = Entry::by(caller, &action, incoming.now());
    entry.outcome = "forbidden";
    entry.request_id = incoming.request_id.as_str().to_owned();
    Some(entry)
}

async fn fields(route: &Route, parts: &Parts, body: Body) -> Result<Fields> {
    if route.method == Method::GET {
        return Ok(Fields::default());
    }
    let reading = async {
        match route.endpoint.form_bytes_max {
            Some(max) => drf::body::read_form(&parts.headers, body, max).await,
            None => drf::body::read(&parts.headers, body).await,
        }
    };
    let read = tokio::time::timeout(BODY_TIMEOUT, reading).await;
    let mut fields =
        read.unwrap_or_else(|_| Err(Error::Malformed("the body did not arrive in time".into())))?;
    if words_of(&parts.extensions) == Words::Agent {
        fields.alias("agent", "mentor");
    }
    Ok(fields)
}

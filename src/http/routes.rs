//! Every REST route, one line each. The router, the spelling twins, the OpenAPI document and the tests derive from it.
//! A new endpoint is one small file with an [`Endpoint`] and one line here.

use http::Method;

use super::endpoint::{Access, Endpoint, Route};
use super::{docs, health, openapi};

const fn route(method: Method, path: &'static str, access: Access, endpoint: Endpoint) -> Route {
    Route {
        method,
        path,
        access,
        endpoint,
    }
}

const GET: Method = Method::GET;

use Access::Public;

/// The table. Literal segments win over `{name}` whatever the order.
#[rustfmt::skip]
pub static ROUTES: &[Route] = &[
    route(GET, "/health/live", Public, health::LIVE),
    route(GET, "/health/ready", Public, health::READY),
    route(GET, "/api/schema/", Public, openapi::READ),
    route(GET, "/api/docs/", Public, docs::INDEX),
    route(GET, "/api/docs/{file}", Public, docs::FILE),
];

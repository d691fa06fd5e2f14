//! Every REST route, one line each. The router, the spelling twins, the OpenAPI document and the tests derive from it.
//! A new endpoint is one small file with an [`Endpoint`] and one line here.

use std::sync::LazyLock;

use http::Method;

use super::academy::{payment, withdrawal};
use super::answer::{Answer, JSON};
use super::career::{records, resume};
use super::chat::{model, sessions, sse, stop};
use super::endpoint::{Access, Endpoint, Handler, Route, Shape};
use super::mails::{outbox, templates};
use super::oauth::{
    callback, client_document, connected_services, find, integration_credentials, services,
};
use super::registry::{connections, images, resolve, servers};
use super::tenant::{api_keys, mentors, settings, tools};
use super::webhooks::{deliveries, hooks};
use super::{analytics, audit, audit_export, docs, health, openapi};
use learning::career::{Company, Education, Experience, Institution};

const fn route(method: Method, path: &'static str, access: Access, endpoint: Endpoint) -> Route {
    // A handler that sees no caller behind a line that promises one does not compile.
    assert!(matches!(access, Access::Public) == matches!(endpoint.handler, Handler::Open(_)));
    Route {
        method,
        path,
        access,
        endpoint,
    }
}

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;

use Access::{Admin, Member, Public};

static TEXT: LazyLock<String> = LazyLock::new(|| openapi::document(ROUTES).to_string());

/// The table itself, as OpenAPI.
const DOCUMENT: Endpoint = Endpoint::open("Describes this interface as OpenAPI 3.1.", |_| {
    Box::pin(async { Ok(Answer::bytes(JSON, TEXT.as_bytes())) })
})
.answers(200, Shape::Media("application/json"));

/// The table. Literal segments win over `{name}` whatever the order.
#[rustfmt::skip]
pub static ROUTES: &[Route] = &[
    route(GET, "/health/live", Public, health::LIVE),
    route(GET, "/health/ready", Public, health::READY),
    route(GET, "/api/schema/", Public, DOCUMENT),
    route(GET, "/api/docs/", Public, docs::INDEX),
    route(GET, "/api/docs/{file}", Public, docs::FILE),
    route(GET, "/api/images/{name}", Public, images::READ),

    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/mcp-servers/", Member, servers::LIST),
    route(POST, "/api/ai-mentor/orgs/{org}/users/{user_id}/mcp-servers/", Admin, servers::CREATE),
    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/mcp-servers/{id}/", Member, servers::READ),
    route(PUT, "/api/ai-mentor/orgs/{org}/users/{user_id}/mcp-servers/{id}/", Admin, servers::REPLACE),
    route(PATCH, "/api/ai-mentor/orgs/{org}/users/{user_id}/mcp-servers/{id}/", Admin, servers::CHANGE),
    route(DELETE, "/api/ai-mentor/orgs/{org}/users/{user_id}/mcp-servers/{id}/", Admin, servers::DELETE),
    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/mcp-servers/{id}/resolve/", Member, resolve::READ),
    route(POST, "/api/ai-mentor/orgs/{org}/users/{user_id}/mcp-servers/oauth-find/", Admin, find::FIND),

    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/mcp-server-connections/", Member, connections::LIST),
    route(POST, "/api/ai-mentor/orgs/{org}/users/{user_id}/mcp-server-connections/", Member, connections::CREATE),
    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/mcp-server-connections/{id}/", Member, connections::READ),
    route(PUT, "/api/ai-mentor/orgs/{org}/users/{user_id}/mcp-server-connections/{id}/", Member, connections::REPLACE),
    route(PATCH, "/api/ai-mentor/orgs/{org}/users/{user_id}/mcp-server-connections/{id}/", Member, connections::CHANGE),
    route(DELETE, "/api/ai-mentor/orgs/{org}/users/{user_id}/mcp-server-connections/{id}/", Member, connections::DELETE),

    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/mentors/{mentor}/settings/", Admin, settings::READ),
    route(PUT, "/api/ai-mentor/orgs/{org}/users/{user_id}/mentors/{mentor}/settings/", Admin, settings::CHANGE),
    route(PATCH, "/api/ai-mentor/orgs/{org}/users/{user_id}/mentors/{mentor}/settings/", Admin, settings::CHANGE),
    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/mentors/{mentor}/public-settings/", Public, settings::READ_PUBLIC),
    route(GET, "/api/ai-mentor/orgs/{org}/mentors/{mentor}/settings/", Admin, settings::READ),
    route(PUT, "/api/ai-mentor/orgs/{org}/mentors/{mentor}/settings/", Admin, settings::CHANGE),
    route(PATCH, "/api/ai-mentor/orgs/{org}/mentors/{mentor}/settings/", Admin, settings::CHANGE),
    route(GET, "/api/ai-mentor/orgs/{org}/mentors/{mentor}/public-settings/", Public, settings::READ_PUBLIC),

    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/mentors/{mentor}/available-tools/", Member, tools::AVAILABLE),
    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/mentors/{mentor}/mentor-tools/", Member, tools::OF_MENTOR),
    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/mentors/{mentor}/tool-categories/", Member, tools::CATEGORIES),

    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/mentor-tools/", Member, tools::OF_PERSON),
    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/tool-categories/", Member, tools::CATEGORIES_OF_PERSON),

    route(POST, "/api/ai-mentor/orgs/{org}/users/{user_id}/mentor-with-settings/", Admin, mentors::CREATE_WITH_SETTINGS),
    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/", Member, mentors::LIST),
    route(POST, "/api/ai-mentor/orgs/{org}/users/{user_id}/", Admin, mentors::CREATE),
    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/mentors/", Member, mentors::LIST),
    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/mentors/{mentor}/", Member, mentors::READ),
    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/{name}/", Member, mentors::READ),
    route(PUT, "/api/ai-mentor/orgs/{org}/users/{user_id}/{name}/", Admin, mentors::REPLACE),
    route(PATCH, "/api/ai-mentor/orgs/{org}/users/{user_id}/{name}/", Admin, mentors::CHANGE),
    route(DELETE, "/api/ai-mentor/orgs/{org}/users/{user_id}/{name}/", Admin, mentors::DELETE),

    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/webhooks/", Admin, hooks::LIST),
    route(POST, "/api/ai-mentor/orgs/{org}/users/{user_id}/webhooks/", Admin, hooks::CREATE),
    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/webhooks/{id}/", Admin, hooks::READ),
    route(PATCH, "/api/ai-mentor/orgs/{org}/users/{user_id}/webhooks/{id}/", Admin, hooks::CHANGE),
    route(DELETE, "/api/ai-mentor/orgs/{org}/users/{user_id}/webhooks/{id}/", Admin, hooks::DELETE),
    route(POST, "/api/ai-mentor/orgs/{org}/users/{user_id}/webhooks/{id}/rotate/", Admin, hooks::ROTATE),
    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/webhooks/{id}/deliveries/", Admin, deliveries::LIST),
    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/webhook-deliveries/{id}/", Admin, deliveries::READ),
    route(POST, "/api/ai-mentor/orgs/{org}/users/{user_id}/webhook-deliveries/{id}/retry/", Admin, deliveries::RETRY),

    route(POST, "/api/ai-mentor/orgs/{org}/users/{user_id}/enrollments/{enrollment}/payment/", Admin, payment::RECEIVE),
    route(POST, "/api/ai-mentor/orgs/{org}/users/{user_id}/enrollments/{enrollment}/withdrawal/", Admin, withdrawal::WITHDRAW),

    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/mail-templates/", Admin, templates::LIST),
    route(POST, "/api/ai-mentor/orgs/{org}/users/{user_id}/mail-templates/", Admin, templates::CREATE),
    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/mail-templates/{id}/", Admin, templates::READ),
    route(PUT, "/api/ai-mentor/orgs/{org}/users/{user_id}/mail-templates/{id}/", Admin, templates::REPLACE),
    route(DELETE, "/api/ai-mentor/orgs/{org}/users/{user_id}/mail-templates/{id}/", Admin, templates::DELETE),
    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/mails/", Admin, outbox::LIST),

    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/api-keys/", Admin, api_keys::LIST),
    route(POST, "/api/ai-mentor/orgs/{org}/users/{user_id}/api-keys/", Admin, api_keys::CREATE),
    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/api-keys/{id}/", Admin, api_keys::READ),
    route(PATCH, "/api/ai-mentor/orgs/{org}/users/{user_id}/api-keys/{id}/", Admin, api_keys::CHANGE),
    route(DELETE, "/api/ai-mentor/orgs/{org}/users/{user_id}/api-keys/{id}/", Admin, api_keys::REVOKE),
    route(POST, "/api/ai-mentor/orgs/{org}/users/{user_id}/api-keys/{id}/rotate/", Admin, api_keys::ROTATE),
    route(POST, "/api/ai-mentor/orgs/{org}/sessions/", Public, sessions::CREATE),
    route(POST, "/api/ai-mentor/orgs/{org}/users/{user_id}/sessions/", Public, sessions::CREATE),
    route(GET, "/api/ai-mentor/orgs/{org}/users/{anyone}/sessions/{session_id}/", Member, sessions::READ),
    route(PUT, "/api/ai-mentor/orgs/{org}/users/{anyone}/sessions/{session_id}/", Member, sessions::CHANGE),
    route(DELETE, "/api/ai-mentor/orgs/{org}/users/{anyone}/sessions/{session_id}/", Member, sessions::DELETE),
    route(POST, "/api/ai-mentor/orgs/{org}/users/{user_id}/stop-generation/", Member, stop::STOP),
    route(POST, "/api/agent/chat/", Member, sse::CHAT),
    route(GET, "/api/ai-mentor/orgs/{org}/chat-model/", Admin, model::READ),
    route(PUT, "/api/ai-mentor/orgs/{org}/chat-model/", Admin, model::REPLACE),
    route(DELETE, "/api/ai-mentor/orgs/{org}/chat-model/", Admin, model::DELETE),

    route(GET, "/api/accounts/orgs/{org}/oauth-services/", Member, services::LIST),
    route(GET, "/api/accounts/orgs/{org}/oauth-services/{service_name}/scopes/", Member, services::SCOPES),
    route(GET, "/api/accounts/oauth-client/", Public, client_document::READ),
    route(GET, "/api/accounts/connected-services/callback/", Public, callback::READ),
    route(GET, "/api/accounts/connected-services/orgs/{org}/users/{user_id}/", Member, connected_services::LIST),
    route(GET, "/api/accounts/connected-services/orgs/{org}/users/{user_id}/{id}/", Member, connected_services::READ),
    route(DELETE, "/api/accounts/connected-services/orgs/{org}/users/{user_id}/{id}/", Member, connected_services::DELETE),
    route(GET, "/api/accounts/connected-services/orgs/{org}/users/{user_id}/{provider}/{service}/", Member, connected_services::START),
    route(GET, "/api/accounts/orgs/{org}/integration-credential/", Admin, integration_credentials::LIST),
    route(POST, "/api/accounts/orgs/{org}/integration-credential/", Admin, integration_credentials::CREATE),
    route(PATCH, "/api/accounts/orgs/{org}/integration-credential/", Admin, integration_credentials::CHANGE),
    route(DELETE, "/api/accounts/orgs/{org}/integration-credential/", Admin, integration_credentials::DELETE),
    route(GET, "/api/accounts/orgs/{org}/integration-credential/schema/", Admin, integration_credentials::SCHEMA),
    route(GET, "/api/accounts/orgs/{org}/integration-credential/schema/v2/", Admin, integration_credentials::SCHEMA),
    route(GET, "/api/accounts/orgs/{org}/masked-integration-credential/", Admin, integration_credentials::LIST_MASKED),

    route(GET, "/api/career/resume/orgs/{org}/users/{username}/", Member, resume::READ),
    route(POST, "/api/career/resume/orgs/{org}/users/{username}/", Member, resume::CREATE),
    route(PUT, "/api/career/resume/orgs/{org}/users/{username}/", Member, resume::REPLACE),
    route(DELETE, "/api/career/resume/orgs/{org}/users/{username}/", Member, resume::DELETE),
    route(GET, "/api/career/files/{id}/", Public, resume::FILE),
    route(POST, "/api/career/uploads/{username}/", Public, resume::UPLOAD),
    route(GET, "/api/career/orgs/{org}/companies/users/{username}/", Member, records::list::<Company>("Lists a learner's companies, the latest first.")),
    route(POST, "/api/career/orgs/{org}/companies/users/{username}/", Member, records::create::<Company>("Adds a company to a profile.")),
    route(PUT, "/api/career/orgs/{org}/companies/users/{username}/", Member, records::replace::<Company>("Changes the given fields of a company.")),
    route(DELETE, "/api/career/orgs/{org}/companies/users/{username}/", Member, records::delete::<Company>("Removes a company from a profile.")),
    route(GET, "/api/career/orgs/{org}/institutions/users/{username}/", Member, records::list::<Institution>("Lists a learner's institutions, the latest first.")),
    route(POST, "/api/career/orgs/{org}/institutions/users/{username}/", Member, records::create::<Institution>("Adds an institution to a profile.")),
    route(PUT, "/api/career/orgs/{org}/institutions/users/{username}/", Member, records::replace::<Institution>("Changes the given fields of an institution.")),
    route(DELETE, "/api/career/orgs/{org}/institutions/users/{username}/", Member, records::delete::<Institution>("Removes an institution from a profile.")),
    route(GET, "/api/career/orgs/{org}/education/users/{username}/", Member, records::list::<Education>("Lists a learner's studies, the latest first.")),
    route(POST, "/api/career/orgs/{org}/education/users/{username}/", Member, records::create::<Education>("Adds what a learner studied to a profile.")),
    route(PUT, "/api/career/orgs/{org}/education/users/{username}/", Member, records::replace::<Education>("Changes the given fields of what a learner studied.")),
    route(DELETE, "/api/career/orgs/{org}/education/users/{username}/", Member, records::delete::<Education>("Removes what a learner studied from a profile.")),
    route(GET, "/api/career/orgs/{org}/experience/users/{username}/", Member, records::list::<Experience>("Lists a learner's positions, the latest first.")),
    route(POST, "/api/career/orgs/{org}/experience/users/{username}/", Member, records::create::<Experience>("Adds a position to a profile.")),
    route(PUT, "/api/career/orgs/{org}/experience/users/{username}/", Member, records::replace::<Experience>("Changes the given fields of a position.")),
    route(DELETE, "/api/career/orgs/{org}/experience/users/{username}/", Member, records::delete::<Experience>("Removes a position from a profile.")),

    route(GET, "/api/analytics/learners/", Member, analytics::OVERVIEW),
    route(GET, "/api/analytics/learner/details/", Member, analytics::DETAILS),

    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/audit/", Admin, audit::LIST),
    route(GET, "/api/ai-mentor/orgs/{org}/users/{user_id}/audit/export/", Admin, audit_export::EXPORT),
];

//! OAuth connectors on the REST surface: services, connected services and who we are at their providers.

pub(crate) mod callback;
pub(crate) mod client_document;
mod connected_service_answer;
pub(crate) mod connected_services;
pub(crate) mod find;
pub(crate) mod integration_credentials;
mod service_answer;
pub(crate) mod services;

pub(crate) use service_answer::ServiceAnswer;

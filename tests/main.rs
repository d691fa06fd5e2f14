//! What the product does, by what a user can see. One binary, one harness.

#![expect(unreachable_pub, reason = "one binary: everything below is its own")]
#![expect(
    clippy::too_many_lines,
    reason = "a scenario is told in one piece, a table of cases whole"
)]

mod harness;

mod walk_through;

mod api_keys;
mod academy_confined;
mod academy_events;
mod academy_files;
mod academy_import;
mod academy_people;
mod academy_sample;
mod academy_sandbox;
mod academy_withdrawal;
mod academy_v1;
mod academy_v2;
mod at_most_once;
mod chat_access;
mod chat_model;
mod chat_servers;
mod chat_sessions;
mod chat_turns;
mod audit_log;
mod client_transports;
mod audit_retention;
mod bound_grants;
mod browser;
mod course_chat;
mod course_chat_search;
mod credential_resolution;
mod doctor;
mod durability;
mod echoed_secrets;
mod encodings;
mod entered_secrets;
mod era_bridge;
mod errors_on_every_wire;
mod every_call;
mod every_example;
mod every_refusal;
mod every_request;
mod every_route;
mod every_tool;
mod faults;
mod failures_of_one;
mod files;
mod hostile_upstreams;
mod http_surface;
mod interop;
mod oauth_answers;
mod oauth_connectors;
mod oauth_discovery;
mod oauth_faults;
mod oauth_manners;
mod oauth_providers;
mod oauth_refusals;
mod oauth_sign_in;
mod oauth_refresh;
mod oauth_renewal;
mod oauth_tokens;
mod log_lines;
mod mail;
mod manners;
mod many_rows;
mod mail_letters;
mod mentor_settings;
mod master_keys;
mod isolation;
mod list_changes;
mod mcp_endpoint;
mod mcp_messages;
mod mentor_tools;
mod metrics;
mod page_safety;
mod own_servers;
mod pages;
mod queue;
mod rate_limits;
mod registry_connections;
mod revocation;
mod registry_servers;
mod resource_origin;
mod sealed_columns;
mod secrets_in_sight;
mod server_manners;
mod session_tokens;
mod sign_in;
mod silence;
mod stdio;
mod true_reasons;
mod upstream_lists;
mod upstream_sessions;
mod upstream_transports;
mod token_command;
mod user_server;
mod webhooks;
mod tidy;

//! The way between AI mentors and the MCP servers whose tools they use: a registry of servers, credentials for
//! them, the choice of a credential for each call, and a relay over every transport and revision of MCP.
//!
//! This page is the map. The promise to users is in `README.md`, the threat model in `SECURITY.md`, everything
//! else in the book, `docs/SUMMARY.md`.
//!
//! # Modules, bottom up
//!
//! They stand on floors, and each floor is a crate: `base`, `egress`, `mcp`, `tenancy`, `broker`, `delivery`, `learning`,
//! `native` and `relay` below `crates/`, and this one on top, which has them all under their names.
//!
//! Leaves, which every module may use:
//!
//! * [`error`]: why a request failed, in product words; no status code, no JSON.
//! * [`clock`]: now and random bytes, passed in; a test sets the time.
//! * [`cache`]: what is read once, by one of those who ask, and believed for a while.
//! * [`descriptors`]: how many file descriptors there are, and whose they are.
//! * [`trace`]: what a line of the log belongs to, and one line for each request.
//! * [`tasks`]: background work that shutdown waits for, and that is started again when it panics.
//! * [`egress`]: the only way out to the network: who may be dialled, how much is read, for how long.
//! * [`metrics`]: what operators watch: answers, calls, durations, and what waits.
//! * [`secret`]: a text that cannot be printed, masks, and encryption at rest.
//! * [`storage`]: SQLite or PostgreSQL behind one SQL text; the only module that knows there are two.
//! * [`fields`]: what a request may hold, said once: its reader, its published schema, its example, its complaints.
//! * [`queue`]: rows that are tried until they end: claimed, attempted, settled, set aside, deleted.
//! * [`mcp`]: what MCP itself says: revisions, messages as raw JSON, error codes.
//!
//! Nouns, with their rules and their SQL:
//!
//! * [`tenant`]: tenants, their people, their mentors and what a mentor is set to.
//! * [`auth`]: from a key to the [caller](auth::Caller).
//! * [`audit`]: one row for each change and each call.
//! * [`rate_limit`]: how many requests a key, a person and a tenant may make.
//! * [`registry`]: MCP servers, the connections to them, the grants these travel with, and which mentor has which server.
//! * [`webhook`]: who is told of a tenant's events, and what is on its way.
//! * [`mail`]: templates, the one outbox, and the way to the mail server.
//! * [`oauth`]: how a grant of access at another service is asked for, refreshed and revoked.
//! * [`credentials`]: [whose credential](credentials::resolve()) a call travels with, and the headers it becomes.
//! * [`guard`]: [what is open](guard::Guard) because of a permission, and its end when the permission ends, wherever that is.
//! * [`model`]: the language models of tenants, and how one is asked.
//! * [`files`]: what people bring, in a folder or in a bucket.
//! * [`academy`]: courses, cohorts, enrollments, materials and certificates of a tenant, live and in its sandbox.
//! * [`learner`]: who learners are, what they did and when, and what that comes to.
//! * [`career`]: the career profiles of learners: companies, institutions, education, experience, resumes.
//!
//! Servers of our own:
//!
//! * [`native`]: tools and resources over the nouns, each a small function, behind one mechanism; no hop.
//!
//! The relay:
//!
//! * [`upstream`]: MCP servers behind one client, over three transports and in both eras.
//! * [`gateway`]: what a client sees of them: lists, names, one call, the bridge between the eras, the ladder by which a
//!   call asks its person to sign in.
//! * [`chat`]: learners and mentors in conversation: sessions, turns, what answers.
//!
//! And what puts it together:
//!
//! * [`config`]: every setting, read once; the only module that reads the environment.
//! * [`jobs`]: what happens without a request, one job a file.
//! * [`app`]: every long-lived part, built once.
//! * [`http`]: the wires: REST in `http::drf` and `http::registry`, MCP in `http::mcp`, pages for people in `http::pages`.
//! * [`cli`]: the command line, one file per command.
//!
//! # Invariants
//!
//! 1. Arrows go down this list and never up. Test: `modules_use_only_what_lies_below_them`. A crate depends on those that its
//!    modules use and on no other. Test: `floors_are_crates`.
//! 2. Only the modules that speak HTTP know status codes, only `storage` knows which database it is, only `egress`
//!    opens a socket to the outside (clippy forbids the types elsewhere), nothing but `clock` and `config` reads
//!    the time or the environment, and a secret is read in the clear in few, named places.
//!    Test: `dangerous_things_happen_in_one_place`.
//! 3. No transaction is open while waiting for the network.
//!    Test: `files_that_open_a_transaction_do_not_wait_for_the_network`.
//! 4. A sealed secret opens only for the tenant, record, field and origin that it was sealed for.
//!    Test: `a_sealed_secret_opens_only_where_it_belongs`. With other master keys nothing starts.
//!    Test: `foreign_keys_are_refused_and_nothing_is_written`.
//!    A new key seals every one of them anew. Test: `a_sealed_text_is_in_every_column_that_a_noun_declares_and_in_no_other`.
//! 5. The credential of a call is chosen by one pure function, which the explain endpoint shows.
//!    Test: `resolution_agrees_with_a_plain_oracle`.
//! 6. What the relay does not have to change passes byte for byte. Test: `values_stay_byte_for_byte`.
//! 7. No REST route answers without a caller, except the public ones in the table; nothing is found in another tenant.
//!    Test: `nobody_gets_in_without_a_key`. Test: `another_tenant_finds_nothing`.
//! 8. Every REST change leaves one audit row, without a value. Test: `every_change_leaves_one_row_with_names_and_no_values`.
//! 9. Every error has its answer on every wire. Test: `every_error_has_its_answer_on_the_rest_surface`.
//! 10. An address that is not on the public internet, under whatever spelling, is dialled only if the operator opened
//!     its range. Test: `special_purpose_addresses_are_not_global`. Test: `every_spelling_of_a_closed_host_is_refused`.
//! 11. Migrations are numbered without a gap. Test: `migrations_are_numbered_without_a_gap_and_all_applied`.
//! 12. The limits in `docs/reference/limits.md` are those of the source.
//!     Test: `the_limits_in_the_readme_are_those_of_the_source`.
//! 13. A write that was acknowledged survives a kill. Test: `a_killed_process_has_every_write_that_it_acknowledged`.
//! 14. Of all who find a token ended, in all replicas, one asks for the next, and what is newer is never written over.
//!     Test: `a_hundred_callers_at_two_processes_cost_one_refresh_and_all_succeed`.
//! 15. What is told to others was committed with the change that it tells of, and comes in its order.
//!     Test: `deliveries_about_one_object_keep_their_order_over_failures`.
//! 16. No secret is in a log, the database, the audit or an answer, in any spelling.
//!     Test: `no_secret_is_in_a_log_the_database_the_audit_the_metrics_or_an_answer`.
//! 17. A resource is read at the server that named it and nowhere else; its URI says which that is, so no process has to
//!     remember ([`upstream::uri`] says why so). Test: `every_place_that_names_a_uri_leads_to_the_server_that_named_it`.
//! 18. Nothing that an upstream says is heard before `upstream::heard` has taken out the secrets that are not the
//!     caller's own and the names that are the gateway's. Test: `a_secret_that_is_not_the_callers_never_comes_back`.
//! 19. What could not be opened any more ends: calls, sockets, streams, sessions, whichever process took the permission back.
//!     Every long-lived thing holds a [`guard::Guard`]. Test: `a_revoked_key_ends_everything_that_it_opened`.
//! 20. A table is written by one module, and read outside of it by few, named files.
//!     Test: `a_table_is_named_by_its_owner_and_by_who_is_known_to_read_it`.
//!
//! # Four walks
//!
//! Each names its files in the order in which a request passes them; none of them imports an earlier one, and
//! `Gateway`, `App` and `Db` are handed down. Test: `each_walk_goes_downward_only`.
//!
//! **An admin stores a key for a server**, `POST …/mcp-server-connections/`.
//! `http::path` brings the path to its one spelling. `http::dispatch` finds the row in `http::routes`, asks
//! [`auth::Authenticator`] who calls, reads the body within its limits and opens a transaction.
//! `http::registry::connections` reads the fields of [`registry::connection::Written`], all wrong ones at once, and
//! hands them to [`oauth::connect`] and [`registry::connection`], which hold who may ask for what and the rules of each
//! scope. [`registry::sealed`] seals the secret with the
//! [`secret::Vault`] for this tenant, record, field and origin. The row, its [`audit`] entry and nothing else are
//! committed together; the answer shows a mask.
//! In order: `http/dispatch`, `http/routes`, `http/registry/connections`, `oauth/connect`, `registry/connection/write`,
//! `registry/connection/request`, `fields/request`, `registry/sealed`, `secret/vault`.
//!
//! **A mentor calls a tool**, `POST /mcp/mentors/{mentor}/`.
//! `http::mcp` checks `Host`, `Origin` and the key, finds the era and parses the envelope into a
//! [`mcp::Message`] whose values stay raw. [`gateway`] takes its view of the mentor (settings, attached servers, and
//! for each the credential that [`credentials::resolve()`] chose), finds the server by the tool's prefix, refuses if the
//! audit queue cannot take the call, and asks [`upstream`] for the session of this person and credential.
//! The call goes out through [`egress`]; what comes back is passed on as it comes, with the caller's id and progress token
//! restored. Hanging up cancels the call at the server, and so does the end of whatever permission it runs by ([`guard`]). One
//! [`audit`] entry is queued. If its person must sign in first, `gateway::sign_in` asks them and decides whether the call goes on.
//! In order: `http/mcp/peer`, `http/mcp/streamable`, `http/mcp/era`, `gateway/route`, `gateway/sign_in`, `gateway/call`,
//! `gateway/relay`, `gateway/renew`, `gateway/view`, `gateway/catalog`, `upstream/session`,
//! `credentials/resolve`, `egress/client`, `egress/connect`.
//! `tools/list` takes the same way as far as the view: the list is put together from the catalogs that [`gateway`] holds for
//! each server and credential, and waits for nobody whom it has heard before. What is wrong with a server stands in `_meta`.
//!
//! **A mentor calls a tool of the academy**, `POST /mcp/v2/`, or through a mentor to which the server is attached.
//! [`native`] counts the call against the key's allowance, checks scope and arguments, opens a transaction and runs the tool, a
//! small function over [`academy`]. What it did and the row of the [`audit`] that says so are committed together.
//! In order: `http/mcp/native`, `native/server`, `native/faces`, `native/academy`, `native/tool`, `native/long`,
//! `native/audited`, `native/call`, `academy/enroll`, `academy/event`, `academy/enrollment`, `webhook`, `audit`.
//!
//! **A learner says something**, a frame on `/ws/langflow/`.
//! `http::chat` reads the frame, finds the caller by the key in it and connects them to their session. [`chat`] writes the
//! turn down, fetches the mentor's tools and hands both to an engine: the tenant's language model, or the built-in one.
//! Tools are called through [`gateway`] in this process, as the learner and bound to their chat, so that a sign-in can
//! speak there ([`gateway::chats`]). Frames leave in their order, and at least one every few seconds.
//! In order: `http/chat/socket`, `http/chat/conversation`, `chat/turn`, `chat/engine`, `chat/tools`, `gateway/route`,
//! `gateway/sign_in`, `gateway/call`, `gateway/chats`.
//!
//! # Decisions
//!
//! Why things are as they are stands in `docs/inside/decisions.md`, what clients rely on in `docs/inside/contract.md`,
//! which attacks a rule is there for in `docs/inside/threats.md`.
#![deny(clippy::unwrap_used)]
pub use base::{
    cache, clock, descriptors, error, fields, metrics, queue, queue_in, secret, sql, sql_among,
    sql_many, storage, tasks, trace,
};
pub use broker::{credentials, guard, model, oauth, registry};
pub use delivery::{mail, webhook};
pub use egress;
pub use learning::{academy, career, files, learner};
pub use mcp;
pub use native;
pub use relay::{chat, gateway, upstream};
pub use tenancy::{audit, auth, rate_limit, tenant};
pub mod config;
pub mod jobs;
pub mod app;
pub mod http;
pub mod cli;

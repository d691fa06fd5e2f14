//! Everything that stays open × everything that can be taken back: what is revoked ends, whoever revoked it.
//! The revoking is done by a second gateway on the same database, through its REST surface where there is a route.

pub mod world;

use std::time::Duration;

use mentor_gateway::auth::token::TokenKind;
use mentor_gateway::sql;
use mentor_gateway::storage::Tx;
use mentor_gateway::tenant::mentor;
use mentor_gateway::tenant::user::{self, Role};
use reqwest::Method;
use serde_json::json;
use upstream_fixtures::Reply as Said;

use crate::course_chat;
use crate::harness::{Academy, Client, Mcp, Stage, eventually, send};
use world::{
    LONG_MS, Socket, Thing, World, all_end, all_go_on, expected, pair, policy, spawned, thing,
};

/// Something taken back from the caller: everything of theirs ends, and their next request is refused.
async fn taken_from_caller(
    row: &str,
    (word, sentence): (&str, &str),
    world: World,
    take: impl AsyncFnOnce(&World),
) {
    let mut things = world.calls().await;
    things.extend(world.streams().await);
    let chats = match world.caller.headers().is_empty() {
        true => Some(world.chats().await),
        false => None,
    };
    let parked = world.parked().await;
    let under_way = 6 + usize::from(chats.is_some());
    take(&world).await;
    all_end(row, things, expected(word, sentence)).await;
    if let Some((idle, turn)) = chats {
        let text = match word {
            "key_revoked" | "key_expired" => "Invalid token.".to_owned(),
            _ => format!("{}{}.", sentence[..1].to_uppercase(), &sentence[1..]),
        };
        let frame = json!({ "error": text, "status_code": 401 });
        assert_eq!((turn.end).await, frame, "{row}");
        assert_eq!((idle.end).await, json!([frame, policy(sentence)]), "{row}");
    }
    eventually("what the upstream was told", async || {
        // The parked call is over as well.
        world.is_told(under_way).then_some(())
    })
    .await;
    let (client, retry) = parked;
    let refused = client.request("tools/call", retry).await;
    assert!(refused.answer()["error"].is_object(), "{row}: {refused:?}");
}

const KEY_REVOKED: (&str, &str) = ("key_revoked", "the key was revoked");
const KEY_EXPIRED: (&str, &str) = ("key_expired", "the key expired");
const KEY_NARROWED: (&str, &str) = ("key_narrowed", "the key lost a right");
const PERSON_OFF: (&str, &str) = ("person_off", "the user was switched off");
const ROLE_CHANGED: (&str, &str) = ("role_changed", "the user's role was changed");

async fn id_of(tx: &mut Tx, name: &str) -> (mentor_gateway::tenant::TenantId, user::UserId) {
    let acme = mentor_gateway::tenant::get(tx, "acme").await.unwrap();
    let user = user::get(tx, acme.id, name).await.unwrap();
    (acme.id, user.id)
}

/// The number of the newest key of a person.
async fn key_of(world: &World, name: &str) -> i64 {
    let keys = world
        .admin()
        .get(&format!("api-keys/?user={name}"))
        .await
        .expect(200);
    keys["results"][0]["id"].as_i64().unwrap()
}

#[tokio::test]
async fn a_revoked_key_ends_everything_that_it_opened() {
    let world = World::start().await;
    taken_from_caller("key revoked", KEY_REVOKED, world, async |world| {
        let id = key_of(world, "bob").await;
        let revoked = world.admin().delete(&format!("api-keys/{id}/")).await;
        assert_eq!(revoked.status, 204);
    })
    .await;
}

#[tokio::test]
async fn a_key_that_expires_ends_everything_that_it_opened() {
    let world = World::start().await;
    let end = world.stage.gateway.app.clock.now().0 + 60_000;
    world
        .write(async |tx| {
            let (_, bob) = id_of(tx, "bob").await;
            let text = "UPDATE tokens SET expires_at = $2 WHERE user_id = $1";
            sql!(tx, execute, text, bob, end).unwrap();
        })
        .await;
    taken_from_caller("key expired", KEY_EXPIRED, world, async |world| {
        world.stage.gateway.advance(Duration::from_secs(61));
    })
    .await;
}

#[tokio::test]
async fn the_end_of_an_overlap_ends_everything_that_the_old_key_opened() {
    let world = World::start().await;
    taken_from_caller("overlap", KEY_EXPIRED, world, async |world| {
        let id = key_of(world, "bob").await;
        world
            .write(async |tx| {
                let token = mentor_gateway::auth::token::TokenId(id);
                let old = mentor_gateway::auth::token::find(tx, token).await.unwrap();
                let (overlap, now) = (Duration::from_secs(60), world.other.app.clock.now());
                let vault = &world.other.app.vault;
                mentor_gateway::auth::api_key::rotate(tx, vault, &old, overlap, now)
                    .await
                    .unwrap();
            })
            .await;
        world.stage.gateway.advance(Duration::from_secs(61));
    })
    .await;
}

#[tokio::test]
async fn a_key_that_may_not_come_from_there_any_more_ends_everything_that_it_opened() {
    let world = World::start().await;
    taken_from_caller("addresses", KEY_NARROWED, world, async |world| {
        world
            .write(async |tx| {
                let (_, bob) = id_of(tx, "bob").await;
                let text = "UPDATE tokens SET allow_ips = $2 WHERE user_id = $1";
                sql!(tx, execute, text, bob, r#"["203.0.113.7/32"]"#).unwrap();
            })
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_person_who_is_switched_off_has_nothing_open() {
    let world = World::start().await;
    taken_from_caller("person off", PERSON_OFF, world, async |world| {
        world
            .write(async |tx| {
                let (acme, bob) = id_of(tx, "bob").await;
                assert!(user::set_active(tx, acme, bob, false).await.unwrap());
                assert!(!user::set_active(tx, acme, bob, false).await.unwrap());
            })
            .await;
    })
    .await;
}

#[tokio::test]
async fn another_role_ends_everything_that_the_old_one_opened() {
    let world = World::start().await;
    taken_from_caller("role", ROLE_CHANGED, world, async |world| {
        world
            .write(async |tx| {
                let (acme, bob) = id_of(tx, "bob").await;
                assert!(user::set_role(tx, acme, bob, Role::Manager).await.unwrap());
                assert!(!user::set_role(tx, acme, bob, Role::Manager).await.unwrap());
            })
            .await;
    })
    .await;
}

/// A world whose caller is a platform key that acts for bob.
async fn acting() -> World {
    let mut world = World::start().await;
    let platform = world.stage.gateway.platform_key(&["act-as"]).await;
    world.caller = platform.with_header("x-act-as-user", "bob");
    world
}

#[tokio::test]
async fn the_right_to_act_for_others_ends_with_everything_that_was_done_by_it() {
    let world = acting().await;
    taken_from_caller("act-as", KEY_NARROWED, world, async |world| {
        let id = key_of(world, "alice").await;
        let change = json!({ "scopes": [] });
        let changed = world
            .admin()
            .patch(&format!("api-keys/{id}/"), change)
            .await;
        changed.expect(200);
    })
    .await;
    let world = acting().await;
    taken_from_caller("whoever acts", PERSON_OFF, world, async |world| {
        world
            .write(async |tx| {
                let (acme, alice) = id_of(tx, "alice").await;
                assert!(user::set_active(tx, acme, alice, false).await.unwrap());
            })
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_smaller_role_takes_the_scopes_of_keys_with_it() {
    let stage = Stage::start().await;
    let platform = stage.gateway.platform_key(&["act-as"]).await;
    let acting = platform.with_header("x-act-as-user", "bob");
    assert_eq!(
        acting
            .on_path_of("acme", "bob")
            .get("mentors/")
            .await
            .status,
        200
    );
    let mut tx = stage.gateway.app.db.write().await.unwrap();
    let (acme, alice) = id_of(&mut tx, "alice").await;
    assert!(
        user::set_role(&mut tx, acme, alice, Role::Learner)
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();
    stage.gateway.app.auth.forget_all();
    assert_eq!(
        acting
            .on_path_of("acme", "bob")
            .get("mentors/")
            .await
            .status,
        403
    );
}

/// Something taken back from the mentor or the server: the calls through it end and say why, and so does what is open
/// at it alone; the mentor's streams go on, or end with it.
async fn taken_from_calls(
    row: &str,
    (word, sentence): (&str, &str),
    streams_end: bool,
    take: impl AsyncFnOnce(&World),
) {
    let world = World::start().await;
    let calls = world.calls().await;
    let mut streams = world.streams().await;
    let (idle, turn) = world.chats().await;
    let _parked = world.parked().await;
    take(&world).await;
    all_end(row, calls, expected(word, sentence)).await;
    eventually("what the upstream was told", async || {
        world.is_told(7).then_some(())
    })
    .await;
    if streams_end {
        all_end(row, streams, expected(word, sentence)).await;
        let frame = (turn.end).await;
        assert_eq!(frame["status_code"], 403, "{row}: {frame}");
        assert_eq!((idle.end).await, json!([frame, policy(sentence)]), "{row}");
    } else {
        // The call of the turn has ended; the turn says so and goes on to its own end.
        assert_eq!((turn.end).await, json!({ "eos": true }), "{row}");
        streams.push(idle);
        all_go_on(row, &mut streams);
    }
}

#[tokio::test]
async fn what_is_taken_from_a_mentor_ends_what_goes_through_it() {
    let gone = ("mentor_gone", "the mentor was deleted");
    taken_from_calls("mentor deleted", gone, true, async |world| {
        world
            .write(async |tx| {
                let (acme, _) = id_of(tx, "alice").await;
                let mentor = mentor::get(tx, acme, &world.stage.gateway.mentor)
                    .await
                    .unwrap();
                mentor::delete(tx, mentor.id, world.other.app.clock.now())
                    .await
                    .unwrap();
            })
            .await;
    })
    .await;
    let off = ("tools_off", "the mentor's MCP tool was switched off");
    for fields in [json!({ "tools": [] }), json!({ "can_use_tools": false })] {
        taken_from_calls("tool off", off, false, async |world| {
            let path = format!("mentors/{}/settings/", world.stage.gateway.mentor);
            world.admin().patch(&path, fields).await.expect(200);
        })
        .await;
    }
    let detached = ("detached", "the server was detached from the mentor");
    taken_from_calls("detached", detached, false, async |world| {
        let path = format!("mentors/{}/settings/", world.stage.gateway.mentor);
        world
            .admin()
            .patch(&path, json!({ "mcp_servers": [] }))
            .await
            .expect(200);
    })
    .await;
}

#[tokio::test]
async fn what_is_taken_from_a_server_or_its_credential_ends_the_calls() {
    let off = ("server_off", "the server was switched off");
    taken_from_calls("server off", off, false, async |world| {
        let path = format!("mcp-servers/{}/", world.up_id);
        world
            .admin()
            .patch(&path, json!({ "is_enabled": false }))
            .await
            .expect(200);
    })
    .await;
    // With the record goes the attachment, which is looked at first.
    let gone = ("detached", "the server was detached from the mentor");
    taken_from_calls("server deleted", gone, false, async |world| {
        let deleted = world
            .admin()
            .delete(&format!("mcp-servers/{}/", world.up_id))
            .await;
        assert_eq!(deleted.status, 204);
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_is_taken_back_ends_the_calls_that_travel_with_it() {
    let off = (
        "connection_off",
        "the connection to the server was switched off",
    );
    taken_from_calls("connection off", off, false, async |world| {
        let path = format!("mcp-server-connections/{}/", world.connection);
        world
            .admin()
            .patch(&path, json!({ "is_active": false }))
            .await
            .expect(200);
    })
    .await;
    let gone = (
        "connection_gone",
        "the connection to the server was deleted",
    );
    taken_from_calls("connection deleted", gone, false, async |world| {
        let path = format!("mcp-server-connections/{}/", world.connection);
        assert_eq!(world.admin().delete(&path).await.status, 204);
    })
    .await;
}

#[tokio::test]
async fn a_grant_that_ends_ends_the_calls_that_travel_with_it() {
    // With the grant goes the connection, which is looked at first.
    let gone = (
        "connection_gone",
        "the connection to the server was deleted",
    );
    taken_from_calls("grant given back", gone, false, async |world| {
        world
            .write(async |tx| {
                let text = "DELETE FROM connected_services WHERE id = $1";
                sql!(tx, execute, text, world.grant).unwrap();
            })
            .await;
    })
    .await;
    let ended = ("grant_ended", "the sign-in to the server ended");
    taken_from_calls("grant refused", ended, false, async |world| {
        world
            .write(async |tx| {
                let text =
                    "UPDATE connected_services SET needs_reauth = 'invalid_grant' WHERE id = $1";
                sql!(tx, execute, text, world.grant).unwrap();
            })
            .await;
    })
    .await;
}

#[tokio::test]
async fn what_is_open_at_one_server_ends_with_it_and_with_the_admin() {
    let switched: [((&str, &str), &str); 3] = [
        (("server_off", "the server was switched off"), "off"),
        (
            ("server_gone", "the server was deleted or withdrawn"),
            "deleted",
        ),
        (ROLE_CHANGED, "role"),
    ];
    for ((word, sentence), row) in switched {
        let world = World::start().await;
        let things = world.at_server().await;
        let path = format!("mcp-servers/{}/", world.plain_id);
        match row {
            "off" => {
                world
                    .admin()
                    .patch(&path, json!({ "is_enabled": false }))
                    .await
                    .expect(200);
            }
            "deleted" => assert_eq!(world.admin().delete(&path).await.status, 204),
            _ => {
                world
                    .write(async |tx| {
                        let (acme, alice) = id_of(tx, "alice").await;
                        user::set_role(tx, acme, alice, Role::Learner)
                            .await
                            .unwrap();
                    })
                    .await;
            }
        }
        all_end(row, things, expected(word, sentence)).await;
    }
}

/// What stays open at one of our own servers.
async fn at_face(client: &Client, face: &str) -> Vec<Thing> {
    let path = format!("/mcp/{face}/");
    let mut own = Mcp::legacy(client, &path).await.listen().await;
    let socket = Socket::open(client, &format!("{path}ws")).await;
    let (mut pair, _) = pair(client, &path).await;
    vec![
        thing("a session's own stream", async move {
            json!({ "rest": own.rest().await })
        }),
        thing("a WebSocket", socket.close()),
        thing("an HTTP+SSE stream", async move {
            json!({ "rest": pair.rest().await })
        }),
    ]
}

#[tokio::test]
async fn what_is_open_at_our_own_servers_ends_with_its_key() {
    for face in ["v1", "v2", "user"] {
        for (row, why) in [
            ("revoked", KEY_REVOKED),
            ("expired", KEY_EXPIRED),
            ("narrowed", KEY_NARROWED),
            ("off", PERSON_OFF),
            ("role", ROLE_CHANGED),
        ] {
            let academy = match face {
                "v1" => Academy::v1().await,
                _ => Academy::v2().await,
            };
            let gateway = &academy.gateway;
            let client = match face {
                "user" => gateway.with_key("bob", TokenKind::Platform, &[]).await,
                _ => academy.learner.clone(),
            };
            let things = at_face(&client, face).await;
            let other = gateway.replica().await;
            let mut tx = other.app.db.write().await.unwrap();
            let (acme, bob) = id_of(&mut tx, "bob").await;
            let now = other.app.clock.now();
            match row {
                "revoked" => {
                    let text = "UPDATE tokens SET revoked_at = $2 WHERE user_id = $1";
                    sql!(&mut tx, execute, text, bob, now).unwrap();
                }
                "expired" => {
                    let text = "UPDATE tokens SET expires_at = $2 WHERE user_id = $1";
                    sql!(&mut tx, execute, text, bob, now).unwrap();
                }
                "narrowed" => {
                    let text = r#"UPDATE tokens SET scopes = '[]', allow_ips = '["203.0.113.7/32"]' WHERE user_id = $1"#;
                    sql!(&mut tx, execute, text, bob).unwrap();
                }
                "off" => {
                    assert!(user::set_active(&mut tx, acme, bob, false).await.unwrap());
                }
                _ => {
                    assert!(
                        user::set_role(&mut tx, acme, bob, Role::Manager)
                            .await
                            .unwrap()
                    );
                }
            }
            tx.commit().await.unwrap();
            all_end(&format!("{face} {row}"), things, expected(why.0, why.1)).await;
        }
    }
}

#[tokio::test]
async fn a_call_to_our_own_server_ends_with_its_key_on_every_wire() {
    let stalls = [(); 4].map(|()| Said::Stall("so"));
    let (academy, model) = course_chat::with_patience(stalls.into(), LONG_MS).await;
    let (learner, tool) = (academy.learner.clone(), course_chat::TOOL);
    let arguments = json!({ "enrollmentId": "enr_123", "message": "What is a prompt?" });
    let call = json!({ "name": tool, "arguments": arguments });
    let path = "/mcp/v2/";
    let asked = async |count: usize| {
        eventually("the call at the model", async || {
            (model.asked().len() == count).then_some(())
        })
        .await;
        academy.gateway.advance(course_chat::BURST);
    };
    let plain = learner
        .request(Method::POST, &format!("{path}tools/{tool}"))
        .json(&arguments);
    #[expect(clippy::disallowed_methods, reason = "it is awaited by the test")]
    let plain = tokio::spawn(async move { send(plain).await.body });
    asked(1).await;
    let modern = spawned(Mcp::modern(&learner, path), call.clone());
    asked(2).await;
    let session = spawned(Mcp::legacy(&learner, path).await, call.clone());
    asked(3).await;
    let mut socket = Socket::open(&learner, &format!("{path}ws")).await;
    socket.call(&Mcp::modern(&learner, path), call).await;
    asked(4).await;
    academy.gateway.revoke_keys_of("acme", "bob").await;
    let answers = [
        plain.await.unwrap(),
        modern.await.unwrap().answer().clone(),
        session.await.unwrap().answer().clone(),
        socket.answer().await,
    ];
    for answer in answers {
        let why = "the key was revoked while this was under way; the call may have executed";
        assert!(answer.to_string().contains(why), "{answer}");
    }
}

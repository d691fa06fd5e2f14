//! Mail: templates, the one outbox, and what the mail server makes of it, after the real tools that write it.
//!
//! A server that misbehaves is the double below; the one that takes mails is a real one where `TEST_SMTP_URL` names it and
//! `TEST_SMTP_MAILDIR` where it puts them, which `.ci/run smtp` does after starting it.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use mentor_gateway::auth::token::Environment;
use mentor_gateway::clock::{UnixMs, random_hex};
use mentor_gateway::mail::{self, Campaign, Letter, Outcome, Priority, State};
use mentor_gateway::sql;
use mentor_gateway::tenant;
use serde_json::{Value, json};

use crate::harness::{Academy, Client, Gateway, MailServer, closed_address, eventually};

const SEND: &str = "academy_admin_send_email";

/// The academy of the second specification with this mail server.
async fn academy(url: Option<&str>) -> Academy {
    Academy::v2_with(|settings| {
        settings.smtp_url = url.map(str::to_owned);
        settings.mail_from = Some("Academy <academy@example.com>".to_owned());
        settings.egress_allow = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await
}

/// Gives learners other addresses.
async fn readdress(academy: &Academy, people: &[(&str, &str)]) {
    let mut tx = academy.write().await;
    for (id, email) in people {
        sql!(
            &mut tx,
            execute,
            "UPDATE academy_people SET email = $2 WHERE id = $1",
            *id,
            *email
        )
        .unwrap();
    }
    tx.commit().await.unwrap();
}

/// The tenant's admin over REST.
async fn admin(academy: &Academy) -> Client {
    academy.gateway.admin().await
}

/// The mails that a query finds, in the order in which they were written.
async fn mails(admin: &Client, query: &str) -> Vec<Value> {
    let list = admin.get(&format!("mails/?page_size=100&{query}")).await;
    let mut rows = list.expect(200)["results"].as_array().unwrap().clone();
    rows.reverse();
    rows
}

fn of(rows: &[Value], field: &str) -> Vec<String> {
    let texts = rows.iter().map(|row| match &row[field] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    texts.collect()
}

fn wanted(ids: &[&str]) -> Value {
    json!({ "enrollmentIds": ids, "templateId": 42, "params": { "startDate": "9 December" } })
}

#[tokio::test]
async fn each_recipient_has_a_result_of_their_own() {
    let server = MailServer::start().await;
    let academy = academy(Some(&server.url)).await;
    readdress(
        &academy,
        &[
            ("usr_500", "gone@example.com"),
            ("usr_501", "later@example.com"),
            ("usr_502", "nowhere"),
        ],
    )
    .await;
    let people = ["usr_456", "usr_500", "usr_501", "usr_502"];
    let ids = enrollments(&academy, &people).await;
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut answer = academy.call(&academy.admin, SEND, wanted(&ids)).await;
    let campaign = answer["campaign"]["id"].as_str().unwrap().to_owned();
    answer["campaign"]["id"] = "camp_123".into();
    assert_eq!(
        answer,
        json!({
            "campaign": {
                "id": "camp_123",
                "status": "queued",
                "recipients": { "total": 4, "sent": 1, "failed": 2, "pending": 1 },
                "template": { "id": 42, "name": "Cohort Welcome Email" },
                "dryRun": false
            },
            "errors": [
                {
                    "enrollmentId": ids[3],
                    "message": "The learner has no address that mail could go to"
                },
                {
                    "enrollmentId": ids[1],
                    "message": "The mail server refused it: permanent error (550): 5.1.1 no such person here: 5.1.1 no such person here"
                }
            ]
        })
    );
    let admin = admin(&academy).await;
    let query = format!("campaign={campaign}");
    let first = eventually("the first round", async || {
        let rows = mails(&admin, &query).await;
        let is_over = of(&rows, "attempts") == ["1", "1", "1", "0"];
        is_over.then_some(rows)
    })
    .await;
    assert_eq!(of(&first, "state"), ["sent", "failed", "waiting", "failed"]);
    assert_eq!(of(&first, "reference"), ids);
    assert_eq!(first[2]["next_attempt_at"], "2024-12-02T10:01:00Z");
    let results = of(&first, "result");
    assert!(results[0].is_empty());
    assert!(results[1].contains("no such person here"), "{results:?}");
    assert!(results[2].contains("come again later"), "{results:?}");
    assert_eq!(results[3], "not an address");

    academy.gateway.advance(Duration::from_secs(60));
    eventually("the second round", async || {
        let rows = mails(&admin, &query).await;
        (rows[2]["state"] == "sent").then_some(())
    })
    .await;
    assert_eq!(
        server.recipients(),
        ["john@company.com", "later@example.com"]
    );
}

/// One enrollment of each of these people.
async fn enrollments(academy: &Academy, people: &[&str]) -> Vec<String> {
    let mut tx = academy.write().await;
    let mut ids = Vec::new();
    for person in people {
        let id = sql!(
            &mut tx,
            scalar as String,
            "SELECT MIN(id) FROM academy_enrollments WHERE person_id = $1",
            *person
        );
        ids.push(id.unwrap());
    }
    ids
}

#[tokio::test]
async fn a_scheduled_mail_goes_out_at_its_time() {
    let server = MailServer::start().await;
    let academy = academy(Some(&server.url)).await;
    let ids = enrollments(&academy, &["usr_456", "usr_500"]).await;
    let mut later = wanted(&[&ids[0]]);
    later["scheduledAt"] = "2024-12-02T11:00:00Z".into();
    let answer = academy.call(&academy.admin, SEND, later).await;
    assert_eq!(answer["campaign"]["status"], "scheduled");
    academy.call(&academy.admin, SEND, wanted(&[&ids[1]])).await;
    eventually("the one without a time", async || {
        (!server.recipients().is_empty()).then_some(())
    })
    .await;
    assert_eq!(server.recipients(), ["ada.lindqvist@example.com"]);
    academy.gateway.advance(Duration::from_secs(3600));
    eventually("its time", async || {
        (server.recipients().len() == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_template_is_filled_in_whole_or_not_at_all() {
    let academy = academy(None).await;
    let ids = enrollments(&academy, &["usr_456"]).await;
    let refusal = |arguments| academy.refusal(&academy.admin, SEND, arguments);
    let mut gap = wanted(&[&ids[0]]);
    gap["params"] = json!({});
    assert_eq!(
        refusal(gap).await["error"]["details"]["fields"],
        json!({ "params": ["the template needs startDate."] })
    );
    let mut unknown = wanted(&[&ids[0]]);
    unknown["templateId"] = 43.into();
    assert_eq!(
        refusal(unknown).await["error"]["code"],
        "RESOURCE_NOT_FOUND"
    );
    assert!(mails(&admin(&academy).await, "").await.is_empty());
}

#[tokio::test]
async fn without_a_mail_server_letters_wait_and_everybody_says_so() {
    let academy = academy(None).await;
    let ids = enrollments(&academy, &["usr_456"]).await;
    let answer = academy.call(&academy.admin, SEND, wanted(&[&ids[0]])).await;
    let notice = "No mail server is set: the mails wait in the outbox.";
    assert_eq!(answer["notice"], notice);
    let waiting = mails(&admin(&academy).await, "").await;
    assert_eq!(
        waiting,
        [json!({
            "id": waiting[0]["id"], "environment": "live", "campaign": answer["campaign"]["id"], "reference": ids[0],
            "address": "john@company.com", "subject": waiting[0]["subject"], "state": "waiting", "attempts": 0,
            "next_attempt_at": "2024-12-02T10:00:00Z", "result": "no mail server is set",
            "created_at": "2024-12-02T10:00:00Z", "ended_at": null,
        })]
    );
    assert!(
        waiting[0]["subject"]
            .as_str()
            .unwrap()
            .starts_with("Welcome to ")
    );
}

#[tokio::test]
async fn a_welcome_counts_as_sent_only_where_a_mail_server_sends_it() {
    let server = MailServer::start().await;
    let mut running = Vec::new();
    for (url, is_sent) in [(None, false), (Some(server.url.as_str()), true)] {
        let academy = academy(url).await;
        let arguments = json!({
            "email": "new@company.com", "cohortId": "coh_456", "organizationId": "org_789"
        });
        let tool = "academy_admin_create_enrollment";
        let answer = academy.call(&academy.admin, tool, arguments).await;
        assert_eq!(
            answer["notifications"],
            json!({ "welcomeEmailSent": is_sent })
        );
        running.push(academy);
    }
    eventually("the welcome", async || {
        (server.recipients() == ["new@company.com"]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_subject_is_one_line_whoever_wrote_it() {
    let server = MailServer::start().await;
    let academy = Academy::v1_with(|settings| server.set(settings)).await;
    let arguments = json!({
        "cohortId": "coh_xyz789", "subject": "Hi\r\nBcc: eve@example.com\r\n\r\nx", "message": "Hi", "priority": "low"
    });
    let tool = "send_cohort_notification";
    let sent = academy.call(&academy.instructor, tool, arguments).await;
    assert_eq!(sent["notice"], Value::Null);
    eventually("the letters", async || {
        (server.heads().len() == 15).then_some(())
    })
    .await;
    for head in server.heads() {
        assert!(
            head.contains("Subject: Hi  Bcc: eve@example.com    x"),
            "{head}"
        );
        assert!(!head.contains("\nBcc"), "{head}");
    }
}

#[tokio::test]
async fn a_mail_server_that_cannot_be_reached_costs_no_attempt() {
    let academy = academy(Some(&format!("smtp://{}", closed_address().await))).await;
    let ids = enrollments(&academy, &["usr_456"]).await;
    academy.call(&academy.admin, SEND, wanted(&[&ids[0]])).await;
    let admin = admin(&academy).await;
    let seen = eventually("a failure", async || {
        let waiting = mails(&admin, "state=waiting").await;
        (waiting[0]["result"] != "").then(|| waiting[0].clone())
    })
    .await;
    assert_eq!(seen["attempts"], 0);
    assert!(
        seen["result"]
            .as_str()
            .unwrap()
            .starts_with("the connection failed"),
        "{seen}"
    );
    assert_eq!(seen["next_attempt_at"], "2024-12-02T10:01:00Z");
    academy.gateway.advance(Duration::from_secs(3 * 86_400));
    eventually("it is given up", async || {
        (!mails(&admin, "state=failed").await.is_empty()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_mail_server_that_hangs_up_is_asked_again_and_holds_up_nobody() {
    let server = MailServer::start().await;
    let academy = academy(Some(&server.url)).await;
    readdress(&academy, &[("usr_456", "rude@example.com")]).await;
    let ids = enrollments(&academy, &["usr_456", "usr_500"]).await;
    academy
        .call(&academy.admin, SEND, wanted(&[&ids[0], &ids[1]]))
        .await;
    let admin = admin(&academy).await;
    let rows = eventually("both were tried", async || {
        let rows = mails(&admin, "").await;
        (of(&rows, "attempts") == ["1", "1"]).then_some(rows)
    })
    .await;
    assert_eq!(of(&rows, "state"), ["waiting", "sent"]);
    for pause in [60, 300, 1800, 7200, 21_600] {
        academy.gateway.advance(Duration::from_secs(pause));
        let attempts = rows_after(&admin, pause).await;
        assert!(attempts > 1);
    }
    let rows = mails(&admin, "state=failed").await;
    assert_eq!(of(&rows, "attempts"), [mail::ATTEMPTS_MAX.to_string()]);
}

/// Waits until the first mail is either over or put off again, and returns how often it was tried.
async fn rows_after(admin: &Client, pause: u64) -> i64 {
    let nth = [60, 300, 1800, 7200, 21_600]
        .iter()
        .position(|p| *p == pause);
    let tried = i64::try_from(nth.unwrap()).unwrap() + 2;
    eventually("the next attempt", async || {
        let rows = mails(admin, "").await;
        (rows[0]["attempts"] == tried).then_some(tried)
    })
    .await
}

#[tokio::test]
async fn a_mail_server_that_wants_a_sign_in_is_told_who_we_are() {
    let server = MailServer::start_with_password("me", "p+s:word").await;
    let url = |user: &str| server.url.replace("smtp://", &format!("smtp://{user}@"));
    for (user, state) in [("me:wrong", "waiting"), ("me:p%2Bs%3Aword", "sent")] {
        let academy = academy(Some(&url(user))).await;
        let ids = enrollments(&academy, &["usr_456"]).await;
        academy.call(&academy.admin, SEND, wanted(&[&ids[0]])).await;
        let row = outcome(&admin(&academy).await).await;
        assert_eq!(row["state"], state, "{row}");
        assert!(!row.to_string().contains("wrong"), "{row}");
    }
}

#[tokio::test]
async fn tls_begins_at_once_or_when_it_is_asked_for_and_is_believed_by_the_operators_roots() {
    for is_implicit in [true, false] {
        let (server, certificate) = MailServer::start_with_tls(is_implicit).await;
        let roots = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(roots.path(), certificate).unwrap();
        for (file, state) in [(None, "waiting"), (Some(roots.path().to_owned()), "sent")] {
            let academy = Academy::v2_with(|settings| {
                server.set(settings);
                settings.egress_ca_file = file;
            })
            .await;
            let ids = enrollments(&academy, &["usr_456"]).await;
            academy.call(&academy.admin, SEND, wanted(&[&ids[0]])).await;
            let row = outcome(&admin(&academy).await).await;
            assert_eq!(row["state"], state, "{row}");
        }
        assert_eq!(server.recipients(), ["john@company.com"]);
        let before_tls = ["EHLO", "STARTTLS", "EHLO", "STARTTLS"];
        let clear: &[&str] = if is_implicit { &[] } else { &before_tls };
        assert!(
            server
                .heard()
                .starts_with(&clear.iter().map(ToString::to_string).collect::<Vec<_>>())
        );
    }
}

/// The only mail, once it has an outcome.
async fn outcome(admin: &Client) -> Value {
    eventually("an outcome", async || {
        let rows = mails(admin, "").await;
        (rows[0]["state"] == "sent" || rows[0]["result"] != "").then(|| rows[0].clone())
    })
    .await
}

#[tokio::test]
async fn a_mail_server_without_starttls_hears_nothing_secret() {
    let server = MailServer::start().await;
    let url = server.url.replace("smtp://", "smtp+starttls://me:word@");
    let academy = academy(Some(&url)).await;
    let ids = enrollments(&academy, &["usr_456"]).await;
    academy.call(&academy.admin, SEND, wanted(&[&ids[0]])).await;
    let seen = outcome(&admin(&academy).await).await;
    assert!(
        seen["result"]
            .as_str()
            .unwrap()
            .starts_with("the answer breaks the protocol"),
        "{seen}"
    );
    assert_eq!(server.heard(), ["EHLO", "STARTTLS"]);
}

#[tokio::test]
async fn a_mail_server_in_a_closed_range_is_not_dialled() {
    let server = MailServer::start().await;
    let academy = Academy::v2_with(|settings| settings.smtp_url = Some(server.url.clone())).await;
    let ids = enrollments(&academy, &["usr_456"]).await;
    academy.call(&academy.admin, SEND, wanted(&[&ids[0]])).await;
    let seen = outcome(&admin(&academy).await).await;
    assert!(
        seen["result"]
            .as_str()
            .unwrap()
            .starts_with("the destination is not allowed"),
        "{seen}"
    );
    assert!(server.heard().is_empty());
}

#[tokio::test]
async fn a_mail_is_claimed_by_one_process_and_again_when_that_one_died() {
    let gateway = Gateway::start().await;
    let app = &gateway.app;
    let now = app.clock.now();
    let mut tx = app.db.write().await.unwrap();
    let tenant = tenant::get(&mut tx, "acme").await.unwrap().id;
    let campaign = Campaign {
        tenant,
        environment: Environment::Live,
        id: "camp_1",
        send_at: now,
        priority: Priority::Normal,
    };
    let letter = Letter {
        address: "ann@example.com",
        ..Letter::default()
    };
    let state = mail::enqueue(&mut tx, &campaign, &letter, now)
        .await
        .unwrap();
    assert_eq!(state, State::Waiting);
    let first = mail::claim(&mut tx, 10, now).await.unwrap();
    assert_eq!(first.len(), 1);
    let claim = async |tx: &mut _, seconds| {
        let at = now.plus(Duration::from_secs(seconds));
        mail::claim(tx, 10, at).await.unwrap()
    };
    assert!(claim(&mut tx, 299).await.is_empty());
    assert_eq!(claim(&mut tx, 300).await[0].id, first[0].id);
    let later: UnixMs = now.plus(Duration::from_secs(300));
    mail::settle(&mut tx, &first[0], &Outcome::Sent, later)
        .await
        .unwrap();
    let much_later = later.plus(Duration::from_secs(999));
    assert!(!mail::OUTBOX.any_due(&mut tx, much_later).await.unwrap());
}

#[tokio::test]
async fn templates_are_kept_by_number() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin().await;
    let template = json!({
        "id": 42, "name": "Cohort Welcome Email", "subject": "Welcome to {{cohortName}}",
        "text": "Dear {{recipientName}}", "html": "<p>Dear {{recipientName}}</p>",
    });
    assert_eq!(
        admin
            .post("mail-templates/", json!({ "id": 0 }))
            .await
            .expect(400),
        json!({
            "id": ["Enter a whole number above 0."], "name": ["This field is required."],
            "subject": ["This field is required."], "text": ["This field is required."],
        })
    );
    let made = admin
        .post("mail-templates/", template.clone())
        .await
        .expect(201);
    assert_eq!(
        (&made["id"], &made["name"]),
        (&json!(42), &json!("Cohort Welcome Email"))
    );
    let again = admin.post("mail-templates/", template.clone()).await;
    let taken = r#"{"detail":"There is a template 42 already."}"#;
    assert_eq!(again.brief(), (409, taken.into()));
    let changed = json!({ "name": "n", "subject": "s", "text": "t" });
    let changed = admin.put("mail-templates/42/", changed).await.expect(200);
    assert_eq!(
        (&changed["subject"], &changed["html"]),
        (&json!("s"), &json!(""))
    );
    assert_eq!(
        admin.get("mail-templates/").await.expect(200)["results"],
        json!([changed])
    );
    admin.delete("mail-templates/42/").await.expect(204);
    assert_eq!(admin.get("mail-templates/42/").await.status, 404);
    let stranger = gateway.stranger().await;
    stranger.post("mail-templates/", template).await.expect(201);
    assert_eq!(admin.get("mail-templates/42/").await.status, 404);
}

/// The real mail server, if one runs; says so if it does not.
#[expect(
    clippy::disallowed_methods,
    reason = "there is no other way to be told"
)]
fn real_server() -> Option<(String, PathBuf)> {
    let url = std::env::var("TEST_SMTP_URL");
    let maildir = std::env::var("TEST_SMTP_MAILDIR");
    if url.is_err() {
        // Not `eprintln!`, which the test runner keeps to itself when the test passes.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: TEST_SMTP_URL names no mail server"
        );
    }
    Some((url.ok()?, maildir.ok()?.into()))
}

#[tokio::test]
async fn a_real_mail_server_takes_what_is_sent() {
    let Some((url, maildir)) = real_server() else {
        return;
    };
    let academy = academy(Some(&url)).await;
    let ids = enrollments(&academy, &["usr_456"]).await;
    let tag = random_hex::<8>();
    let mut arguments = wanted(&[&ids[0]]);
    arguments["params"] = json!({
        "startDate": "9 December", "cohortName": format!("Grüße <{tag}>\r\nBcc: eve@example.com")
    });
    academy.call(&academy.admin, SEND, arguments).await;
    let admin = admin(&academy).await;
    eventually("it is sent", async || {
        (!mails(&admin, "state=sent").await.is_empty()).then_some(())
    })
    .await;
    let text = eventually("it arrives", async || {
        let files = std::fs::read_dir(maildir.join("new")).ok()?;
        let mut texts = files.filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok());
        texts.find(|text| text.contains(&tag))
    })
    .await;
    let text = text.replace("\r\n", "\n");
    for expected in [
        "From: Academy <academy@example.com>\n",
        "To: \"John Doe\" <john@company.com>\n",
        "Date: Mon, 02 Dec 2024 10:00:00 +0000\n",
        "@example.com>\n",
        "Content-Type: multipart/alternative",
        &format!("&lt;{tag}&gt;"),
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let (head, _) = text.split_once("\n\n").unwrap();
    assert!(
        head.contains("Subject: ") && !head.contains("\nBcc:"),
        "{head}"
    );
}

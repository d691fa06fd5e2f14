//! What a letter carries beside its text: HTML, an invitation, how much it matters.

use mentor_gateway::auth::token::Environment;
use mentor_gateway::mail::{self, Campaign, Letter, Priority};
use mentor_gateway::tenant;
use serde_json::json;

use crate::harness::{Academy, Gateway, MailServer, eventually};

/// The mails that a server took, once there are so many.
async fn taken(server: &MailServer, count: usize) -> Vec<String> {
    eventually("the mails", async || {
        let texts = server.texts();
        (texts.len() == count).then_some(texts)
    })
    .await
}

#[tokio::test]
async fn an_announcement_is_set_in_html_that_cannot_run_and_says_how_much_it_matters() {
    for (priority, said) in [
        ("low", &["Importance: low", "Priority: non-urgent"][..]),
        ("normal", &[][..]),
        ("high", &["Importance: high"][..]),
        ("urgent", &["Importance: high", "Priority: urgent"][..]),
    ] {
        let server = MailServer::start().await;
        let academy = Academy::v1_with(|settings| server.set(settings)).await;
        let message = "# Week 2\n\nRead *this* <b>now</b>.";
        let announcement = json!({
            "cohortId": "coh_xyz789", "subject": "News", "message": message, "priority": priority,
        });
        let tool = "send_cohort_notification";
        academy.call(&academy.instructor, tool, announcement).await;
        let mail = taken(&server, 15).await.swap_remove(0);
        let (head, parts) = mail.split_once("\n\n").unwrap();
        let wanted = |line: &&str| line.starts_with("Importance") || line.starts_with("Priority");
        let mut found: Vec<&str> = head.lines().filter(wanted).collect();
        found.sort_unstable();
        assert_eq!(found, said, "{priority}");
        assert!(head.contains("multipart/alternative"), "{head}");
        assert!(parts.contains(message), "{parts}");
        let html = "<h1>Week 2</h1>\n<p>Read <em>this</em> &lt;b&gt;now&lt;/b&gt;.</p>";
        assert!(parts.contains(html), "{parts}");
    }
}

#[tokio::test]
async fn the_confirmation_of_a_booking_has_the_session_attached() {
    let server = MailServer::start().await;
    let academy = Academy::v2_with(|settings| server.set(settings)).await;
    let booking = json!({
        "enrollmentId": "enr_123", "slotId": "slot_123", "topic": "Prompts", "sendReminder": false,
    });
    let tool = "academy_book_office_hours";
    let booked = academy.call(&academy.learner, tool, booking).await;
    let mut mails = taken(&server, 2).await;
    mails.sort_by_key(|mail| mail.contains("To: Sarah Johnson"));
    assert!(mails[1].contains("has booked your session"), "{mails:?}");
    let mail = mails.remove(0);
    let unfolded = mail.replace("\n ", "");
    for line in [
        "Content-Disposition: attachment; filename=\"calendar.ics\"",
        "BEGIN:VCALENDAR",
        &format!(
            "UID:{}@mentor-gateway",
            booked["booking"]["id"].as_str().unwrap()
        ),
        "END:VCALENDAR",
    ] {
        assert!(unfolded.contains(line), "{line}: {mail}");
    }
    assert!(unfolded.contains("Content-Type: text/calendar"), "{mail}");
    assert!(unfolded.contains("is confirmed."), "{mail}");
}

#[tokio::test]
async fn of_those_that_are_due_the_urgent_go_first_and_each_in_its_turn() {
    let gateway = Gateway::start().await;
    let now = gateway.app.clock.now();
    let mut tx = gateway.app.db.write().await.unwrap();
    let tenant = tenant::get(&mut tx, "acme").await.unwrap().id;
    for (subject, priority) in [
        ("first", Priority::Low),
        ("second", Priority::Normal),
        ("third", Priority::Urgent),
        ("fourth", Priority::High),
        ("fifth", Priority::Normal),
    ] {
        let campaign = Campaign {
            tenant,
            environment: Environment::Live,
            id: "camp_1",
            send_at: now,
            priority,
        };
        let letter = Letter {
            address: "ann@example.com",
            subject,
            ..Letter::default()
        };
        mail::enqueue(&mut tx, &campaign, &letter, now)
            .await
            .unwrap();
    }
    let claimed = mail::claim(&mut tx, 4, now).await.unwrap();
    let subjects: Vec<&str> = claimed.iter().map(|due| due.subject.as_str()).collect();
    assert_eq!(subjects, ["third", "fourth", "second", "fifth"]);
}

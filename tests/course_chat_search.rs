//! What the course chat finds: the same on every database, and a question is never a query.

use std::time::Duration;

use mentor_gateway::app::App;
use mentor_gateway::clock::Clock;
use mentor_gateway::sql;
use serde_json::{Value, json};

use crate::harness::{Academy, eventually};

const TOOL: &str = "academy_chat";
/// Longer than the span over which a person's questions are counted.
const MINUTE: Duration = Duration::from_secs(61);
const NOTHING: &str = "The materials of this course do not say anything about that.";

/// What is answered to a question of the learner.
async fn ask(academy: &Academy, message: &str) -> Value {
    academy.gateway.advance(MINUTE);
    let arguments = json!({ "enrollmentId": "enr_123", "message": message });
    academy.call(&academy.learner, TOOL, arguments).await["response"].take()
}

/// Material, page and relevance of each source.
fn sources(response: &Value) -> Vec<(String, i64, f64)> {
    let sources = response["sources"].as_array().unwrap().iter();
    let source = |source: &Value| {
        let material = source["materialId"].as_str().unwrap().to_owned();
        let relevance = source["relevanceScore"].as_f64().unwrap();
        (material, source["page"].as_i64().unwrap(), relevance)
    };
    sources.map(source).collect()
}

/// Material and page of each source.
fn pages(response: &Value) -> Vec<(String, i64)> {
    let sources = sources(response).into_iter();
    sources
        .map(|(material, page, _)| (material, page))
        .collect()
}

/// Adds a material of a course.
async fn add(
    academy: &Academy,
    (id, course, organization): (&str, &str, Option<&str>),
    pages: &[String],
) {
    let mut tx = academy.write().await;
    let realm = academy.actor(&mut tx).await.realm;
    let material = json!({
        "id": id, "course_id": course, "title": id, "description": "", "kind": "guide", "format": "pdf",
        "file_name": "x.pdf", "updated_at": 0, "metadata": {}, "organization_id": organization,
    });
    let material = serde_json::from_value(material).unwrap();
    mentor_gateway::academy::material::put(&mut tx, realm, &material, pages)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn pages_are_found_and_ranked_the_same_on_every_database() {
    let academy = Academy::v2().await;
    let found = sources(&ask(&academy, "What are prompts in engineering?").await);
    let of = |material: &str, page, relevance| (material.to_owned(), page, relevance);
    let wanted = [
        of("mat_789", 3, 0.44),
        of("mat_790", 1, 0.36),
        of("mat_791", 1, 0.32),
    ];
    assert_eq!(found, wanted);
}

#[tokio::test]
async fn words_that_the_course_does_not_have_lower_the_confidence() {
    let academy = Academy::v2().await;
    let known = ask(&academy, "What are prompts?").await;
    assert_eq!(known["confidence"], 1.0);
    let foreign = ask(&academy, "Which prompts bake a chocolate cake in Paris?").await;
    assert_eq!(
        foreign["sources"][0]["materialId"],
        known["sources"][0]["materialId"]
    );
    let confidence = foreign["confidence"].as_f64().unwrap();
    assert!(confidence < 0.2, "{confidence}");
}

#[tokio::test]
async fn a_question_is_never_a_query() {
    let academy = Academy::v2().await;
    let plain = ask(&academy, "prompt").await;
    assert_eq!(sources(&plain).len(), 3);
    for message in [
        "\"prompt\"",
        "prompt*",
        "^prompt",
        "-prompt",
        "!prompt",
        "prompt:*",
        "title : prompt",
        "{title} : prompt",
        "prompt AND",
        "prompt OR OR",
        "prompt +",
        "prompt & | ( <-> )",
        "((((prompt",
        "🦀prompt🎉",
        "'; DROP TABLE x; -- prompt",
        "prompt \\ % _ \u{1}",
        "prompt realm1s",
    ] {
        let found = ask(&academy, message).await;
        assert_eq!(pages(&found), pages(&plain), "{message}");
    }
    let negated = sources(&ask(&academy, "NOT prompt").await);
    assert_eq!((negated[0].0.as_str(), negated[0].1), ("mat_797", 1));
    let long = "prompt ".repeat(571);
    assert_eq!(ask(&academy, &long).await["sources"], plain["sources"]);
    for message in [
        "\"",
        "*",
        ":",
        "-",
        "&",
        "|",
        "NEAR(",
        "NEAR(x y, 5)",
        "OR",
        "🦀",
        "' OR 1=1-- %",
        &"x".repeat(4000),
        &(0..800)
            .map(|number| format!("q{number}"))
            .collect::<Vec<_>>()
            .join(" ")[..3880],
    ] {
        assert_eq!(ask(&academy, message).await["text"], NOTHING, "{message}");
    }
}

#[tokio::test]
async fn a_page_is_found_in_its_course_by_its_organization_and_as_long_as_it_is_there() {
    let academy = Academy::v2().await;
    let course = "crs_ai_foundations";
    let page = ["Überblick: zyzzyvas are weevils.".to_owned()];
    let mut tx = academy.write().await;
    sql!(
        &mut tx,
        execute,
        "INSERT INTO academy_courses
         SELECT realm_id, 'crs_elsewhere', 'elsewhere', title, summary, description, long_description, format, duration,
                duration_short, level, prerequisites, objectives, skills, curriculum, syllabus, price_individual,
                price_corporate, access_days, is_published, has_kit, has_certificate
         FROM academy_courses"
    )
    .unwrap();
    tx.commit().await.unwrap();
    add(&academy, ("mat_theirs", course, Some("org_theirs")), &page).await;
    add(&academy, ("mat_elsewhere", "crs_elsewhere", None), &page).await;
    assert_eq!(ask(&academy, "zyzzyva").await["text"], NOTHING);
    add(&academy, ("mat_ours", course, Some("org_789")), &page).await;
    add(&academy, ("mat_open", course, None), &page).await;
    for message in ["Zyzzyvas?", "überblick", "ÜBERBLICK"] {
        let found = sources(&ask(&academy, message).await);
        let materials: Vec<&str> = found
            .iter()
            .map(|(material, ..)| material.as_str())
            .collect();
        assert_eq!(materials, ["mat_open", "mat_ours"], "{message}");
    }
    let mut tx = academy.write().await;
    sql!(
        &mut tx,
        execute,
        "DELETE FROM academy_materials WHERE title IN ('mat_ours', 'mat_open')"
    )
    .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(ask(&academy, "zyzzyva").await["text"], NOTHING);
}

#[tokio::test]
async fn of_more_pages_than_are_ranked_the_best_are() {
    let academy = Academy::v2().await;
    let mut pages: Vec<String> = (0..300)
        .map(|number| format!("Prompt number {number}."))
        .collect();
    pages.push("A prompt about weevils, of which zyzzyva is one.".to_owned());
    add(&academy, ("mat_long", "crs_ai_foundations", None), &pages).await;
    let found = sources(&ask(&academy, "prompt zyzzyva").await);
    assert_eq!((found[0].0.as_str(), found[0].1), ("mat_long", 301));
    assert!(found[0].2 > 0.4 && found[1].2 < 0.1, "{found:?}");
}

#[tokio::test]
async fn pages_from_before_the_index_are_added_at_the_next_start() {
    let academy = Academy::v2().await;
    let before = ask(&academy, "prompt").await;
    let mut tx = academy.write().await;
    sql!(&mut tx, execute, "DELETE FROM academy_page_words").unwrap();
    tx.commit().await.unwrap();
    assert_eq!(ask(&academy, "prompt").await["text"], NOTHING);
    let app = &academy.gateway.app;
    let next = App::start(app.config.clone(), Clock::manual(app.clock.now()))
        .await
        .unwrap();
    eventually("the index is whole", async || {
        let now = ask(&academy, "prompt").await;
        (now == before).then_some(())
    })
    .await;
    next.stop().await;
}

//! `academy import`: an operator fills a tenant's academy from a file, again and again, and loses nothing.

use std::path::PathBuf;

use serde_json::{Value, json};

use mentor_gateway::academy::{RealmId, person};
use mentor_gateway::auth::token::{Environment, TokenKind};
use mentor_gateway::clock::UnixMs;
use mentor_gateway::{sql, tenant};

use crate::harness::cli::{complained, said};
use crate::harness::{Gateway, Mcp};

/// 2026-11-01T00:00:00Z, before the cohort of the example begins.
const AUTUMN: UnixMs = UnixMs(1_793_491_200_000);

/// The example of the book.
fn example() -> Value {
    let page = include_str!("../docs/administrators/filling-an-academy.md");
    let block = page.split("```json").nth(1).unwrap();
    serde_json::from_str(block.split("```").next().unwrap()).unwrap()
}

fn file(gateway: &Gateway, text: &str) -> PathBuf {
    let path = gateway.app.config.data_dir.join("academy.json");
    std::fs::write(&path, text).unwrap();
    path
}

async fn import(gateway: &Gateway, world: &Value) -> String {
    let path = file(gateway, &world.to_string());
    let path = path.to_str().unwrap();
    said(gateway, &["academy", "import", "--tenant", "acme", path]).await
}

async fn refused(gateway: &Gateway, text: &str) -> String {
    let path = file(gateway, text);
    let path = path.to_str().unwrap();
    let arguments = ["academy", "import", "--tenant", "acme", path];
    let said = complained(gateway, &arguments, 1).await;
    assert!(said.contains("hint: nothing was written"), "{said}");
    said
}

/// What a learner of acme with the profile of the example's Bob finds.
async fn learner(gateway: &Gateway) -> Mcp {
    let mut tx = gateway.app.db.write().await.unwrap();
    let acme = tenant::get(&mut tx, "acme").await.unwrap();
    let realm = RealmId::of(&mut tx, acme.id, Environment::Live)
        .await
        .unwrap();
    let bob = tenant::user::get(&mut tx, acme.id, "bob").await.unwrap();
    person::bind(&mut tx, realm, "usr_bob", bob.id)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let bob = gateway.with_key("bob", TokenKind::Aea, &["learner"]).await;
    Mcp::modern(&bob, "/mcp/v1/")
}

async fn number(gateway: &Gateway, query: &'static str) -> i64 {
    let mut tx = gateway.app.db.read().await.unwrap();
    sql!(&mut tx, scalar as i64, query).unwrap()
}

#[tokio::test]
async fn the_example_of_the_readme_fills_an_academy_and_is_imported_again() {
    let gateway = Gateway::start_at(AUTUMN, |_| {}).await;
    let mut world = example();
    let written = import(&gateway, &world).await;
    assert_eq!(
        written,
        "organizations\t1 written\t0 kept\npeople\t2 written\t0 kept\ninstructors\t1 written\t0 kept\n\
         courses\t1 written\t0 kept\nmaterials\t1 written\t0 kept\ncohorts\t1 written\t0 kept\n\
         slots\t1 written\t0 kept\nenrollments\t0 written\t0 kept\ncertificates\t0 written\t0 kept\n"
    );
    let learner = learner(&gateway).await;
    let found = learner.call("get_upcoming_cohorts", json!({})).await;
    let found: Value = serde_json::from_str(found.text()).unwrap();
    assert_eq!(found["cohorts"][0]["cohortId"], "coh_spring");
    assert_eq!(found["cohorts"][0]["startDate"], 1_803_891_600_000_i64);

    // The profile stays bound, and what has another text is found by it.
    world["courses"][0]["title"] = json!("Better prompts");
    world["materials"][0]["pages"] = json!(["One page."]);
    assert_eq!(import(&gateway, &world).await, written);
    let found = learner.call("get_upcoming_cohorts", json!({})).await;
    let found: Value = serde_json::from_str(found.text()).unwrap();
    assert_eq!(found["cohorts"][0]["courseTitle"], "Better prompts");
    assert_eq!(
        number(&gateway, "SELECT COUNT(*) FROM academy_pages").await,
        1
    );
    assert_eq!(
        number(&gateway, "SELECT COUNT(*) FROM academy_page_words").await,
        1
    );
}

#[tokio::test]
async fn an_imported_material_says_the_size_of_what_is_downloaded() {
    let gateway = Gateway::start().await;
    import(&gateway, &example()).await;
    let document = "# Prompt guide\n\nTo read first\n\nA prompt says the task.\n\nIt says the form of the answer.\n";
    let size =
        "SELECT size_bytes FROM academy_materials WHERE format = 'markdown' AND page_count = 2";
    assert_eq!(number(&gateway, size).await, document.len() as i64);
}

#[tokio::test]
async fn what_people_did_is_never_lost() {
    let gateway = Gateway::start().await;
    let mut world = example();
    world["enrollments"] = json!([{
        "id": "enr_1", "cohort_id": "coh_spring", "person_id": "usr_bob", "kind": "standard", "status": "active",
        "payment": "paid", "price_paid": 1800, "enrolled_at": "2026-02-01T00:00:00Z",
        "expires_at": "2027-06-01T00:00:00Z", "progress": 10, "last_activity_at": "2026-02-01T00:00:00Z"
    }]);
    import(&gateway, &world).await;
    let mut tx = gateway.app.db.write().await.unwrap();
    sql!(
        &mut tx,
        execute,
        "UPDATE academy_enrollments SET progress = 80"
    )
    .unwrap();
    tx.commit().await.unwrap();
    let again = import(&gateway, &world).await;
    assert!(
        again.contains("enrollments\t0 written\t1 kept\n"),
        "{again}"
    );
    let progress = "SELECT progress FROM academy_enrollments";
    assert_eq!(number(&gateway, progress).await, 80);
    let seats = "SELECT seats_taken FROM academy_cohorts";
    assert_eq!(number(&gateway, seats).await, 1);

    world["cohorts"][0]["seats_total"] = json!(0);
    assert!(refused(&gateway, &world.to_string()).await.contains(
        "cohorts[0] (coh_spring): invalid input: seats_total: 1 people have a seat already."
    ));
}

#[tokio::test]
async fn a_mistake_is_told_with_its_place_and_nothing_is_written() {
    let gateway = Gateway::start().await;
    let wrong = |change: fn(&mut Value)| {
        let mut world = example();
        change(&mut world);
        world.to_string()
    };
    for (text, expected) in [
        (wrong(|w| w["corses"] = json!([])), "unknown field `corses`"),
        (
            wrong(|w| w["courses"][0]["tilte"] = json!("x")),
            "courses[0] (crs_prompts): unknown field `tilte`",
        ),
        (
            wrong(|w| w["cohorts"][0]["course_id"] = json!("crs_x")),
            "cohorts[0] (coh_spring): There is no course \"crs_x\": add it to the file, or correct the id.",
        ),
        (
            wrong(|w| w["cohorts"][0]["starts_at"] = json!("in March")),
            "cohorts[0] (coh_spring): starts_at must be Unix ms or a time such as",
        ),
        (
            wrong(|w| w["people"][1]["email"] = json!("Bob@acme.example")),
            "people[1] (usr_carol): Another person has the same email.",
        ),
        (
            wrong(|w| w["materials"][0]["size_bytes"] = json!(1)),
            "materials[0] (mat_prompts): size_bytes is computed from the pages: leave it out.",
        ),
        (
            wrong(|w| w["slots"][0] = json!(1)),
            "slots[0] (without an id): This must be an object.",
        ),
        ("{\n  \"people\": [\n".to_owned(), "at line 3 column 0"),
    ] {
        let said = refused(&gateway, &text).await;
        assert!(said.contains(expected), "{expected}: {said}");
    }
    for table in ["organizations", "people", "courses", "realms"] {
        let query = format!("SELECT COUNT(*) FROM academy_{table}");
        let mut tx = gateway.app.db.read().await.unwrap();
        let count = sql!(&mut tx, scalar as i64, sqlx::AssertSqlSafe(query)).unwrap();
        assert_eq!(count, 0, "{table}");
    }
}

//! Each tool beside its endpoint: the same question brings the same data, and the book names the same pairs.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mentor_gateway::native;
use reqwest::multipart::{Form, Part};
use serde_json::{Map, Value, json};

use super::{resume, upload};
use crate::harness::{Academy, send};

/// A tool, its endpoint, and what both are asked about bob, in an order in which each has what it needs.
type Pair = (&'static str, &'static str, Value);

const RESUME: &str = "/api/career/resume/orgs/{org}/users/{username}/";

#[rustfmt::skip]
fn pairs() -> Vec<Pair> {
    vec![
        ("get_user_resume", "GET /api/career/resume/orgs/{org}/users/{username}/", json!({})),
        ("post_user_resume", "POST /api/career/resume/orgs/{org}/users/{username}/", resume()),
        ("put_user_resume", "PUT /api/career/resume/orgs/{org}/users/{username}/", json!({ "links": ["https://new.example"] })),
        ("get_company", "GET /api/career/orgs/{org}/companies/users/{username}/", json!({})),
        ("post_company", "POST /api/career/orgs/{org}/companies/users/{username}/",
            json!({ "name": " Acme ", "industry": "Software", "website": "https://acme.example" })),
        ("put_company", "PUT /api/career/orgs/{org}/companies/users/{username}/", json!({ "id": 1, "name": "Harbor" })),
        ("get_institution", "GET /api/career/orgs/{org}/institutions/users/{username}/", json!({})),
        ("post_institution", "POST /api/career/orgs/{org}/institutions/users/{username}/",
            json!({ "name": "State University", "institution_type": "university", "location": "Boston" })),
        ("put_institution", "PUT /api/career/orgs/{org}/institutions/users/{username}/", json!({ "id": 1, "name": "Northeastern" })),
        ("get_education", "GET /api/career/orgs/{org}/education/users/{username}/", json!({})),
        ("post_education", "POST /api/career/orgs/{org}/education/users/{username}/",
            json!({ "institution_id": 1, "start_date": "2018-09-01", "end_date": "2019-05-01", "degree": "M.Sc." })),
        ("put_education", "PUT /api/career/orgs/{org}/education/users/{username}/",
            json!({ "id": 1, "institution_id": 1, "start_date": "2012-09-02" })),
        ("get_experience", "GET /api/career/orgs/{org}/experience/users/{username}/", json!({})),
        ("post_experience", "POST /api/career/orgs/{org}/experience/users/{username}/",
            json!({ "company_id": 1, "title": "Advisor", "start_date": "2021-01-01", "is_current": true })),
        ("put_experience", "PUT /api/career/orgs/{org}/experience/users/{username}/",
            json!({ "id": 1, "company_id": 1, "title": "Analyst", "start_date": "2016-07-02" })),
        ("get_learner_analytics", "GET /api/analytics/learners/", json!({ "date_filter": "30d", "limit": 5 })),
        ("get_learner_details", "GET /api/analytics/learner/details",
            json!({ "metrics": "courses,mentors,skills,credentials,time_spent", "start_date": "2024-11-20" })),
    ]
}

/// Asks the endpoint what the tool was asked, in the encoding of the endpoint.
async fn rest(academy: &Academy, endpoint: &str, mut question: Value) -> Value {
    let (method, path) = endpoint.split_once(' ').unwrap();
    let place = path.replace("{org}", "acme").replace("{username}", "bob");
    let request = academy.learner.request(method.parse().unwrap(), &place);
    let request = if method == "GET" {
        request.query(question.as_object().unwrap())
    } else {
        // The path says it.
        question.as_object_mut().unwrap().remove("username");
        if path == RESUME {
            request.multipart(form(&question))
        } else {
            request.json(&question)
        }
    };
    send(request).await.expect(200)
}

/// A resume as the form has it.
fn form(question: &Value) -> Form {
    let mut form = Form::new();
    if let Some(content) = question["content"].as_str() {
        let content = BASE64_STANDARD.decode(content).unwrap();
        let name = question["file_name"].as_str().unwrap().to_owned();
        form = form.part("resume", Part::bytes(content).file_name(name));
    }
    for (at, link) in question["links"].as_array().unwrap().iter().enumerate() {
        form = form.text(format!("link_{at}"), link.as_str().unwrap().to_owned());
    }
    form
}

/// What a tool wraps: a list of records, or a resume beside the place for its upload.
fn unwrapped(output: Value) -> Value {
    let members = output.as_object().unwrap();
    if members.contains_key("upload") {
        return output["resume"].clone();
    }
    let is_list = members.keys().eq(["results"]);
    if is_list {
        output["results"].clone()
    } else {
        output
    }
}

/// Two that were made one after the other differ in their numbers, and in the links that name them.
fn without_numbers(mut made: Value) -> Value {
    if let Some(members) = made.as_object_mut() {
        members.remove("id");
    }
    for file in made["files"].as_array_mut().into_iter().flatten() {
        file["url"] = Value::Null;
    }
    made
}

#[test]
fn every_tool_has_its_pair_and_the_readme_names_it() {
    let page = include_str!("../../docs/integrators/learner-server.md");
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let tests = cells.get(3)?.trim_matches('`');
        let is_pair = tests.starts_with("tests/user_server/");
        is_pair.then(|| (cells[1].trim_matches('`'), cells[2].trim_matches('`')))
    });
    let mut named = vec![("ping", "–")];
    let pairs = pairs();
    named.extend(pairs.iter().map(|(tool, endpoint, _)| (*tool, *endpoint)));
    assert_eq!(rows.collect::<Vec<_>>(), named);
    let tools = native::find("user").unwrap().tools.iter();
    assert!(
        tools
            .map(|tool| tool.name)
            .eq(named.iter().map(|(tool, _)| *tool))
    );
}

#[tokio::test]
async fn a_tool_and_its_endpoint_show_and_make_the_same() {
    let academy = Academy::user_with_a_past().await;
    upload(&academy).await;
    for (tool, endpoint, mut question) in pairs() {
        academy.gateway.advance(std::time::Duration::from_secs(2));
        question["username"] = "bob".into();
        let of_tool = academy.call(&academy.learner, tool, question.clone()).await;
        let of_tool = unwrapped(of_tool);
        let of_rest = rest(&academy, endpoint, question).await;
        if endpoint.starts_with("POST") {
            assert_eq!(without_numbers(of_tool), without_numbers(of_rest), "{tool}");
        } else {
            assert_eq!(of_tool, of_rest, "{tool}");
        }
    }
}

#[tokio::test]
async fn a_tool_and_its_endpoint_refuse_the_same_fields() {
    let academy = Academy::user_with_a_past().await;
    for (tool, endpoint, question) in pairs() {
        if endpoint.starts_with("GET") || endpoint.ends_with(RESUME) {
            continue;
        }
        academy.gateway.advance(std::time::Duration::from_secs(2));
        let fields = question.as_object().unwrap().keys();
        let wrong = fields.map(|name| (name.clone(), json!([])));
        let mut wrong: Map<String, Value> = wrong.collect();
        wrong.insert("nonsense".into(), json!(1));
        let path = endpoint.split_once(' ').unwrap();
        let place = path.1.replace("{org}", "acme").replace("{username}", "bob");
        let request = academy
            .learner
            .request(path.0.parse().unwrap(), &place)
            .json(&wrong);
        let of_rest = send(request).await.expect(400);
        wrong.insert("username".into(), "bob".into());
        let of_tool = academy.refusal(&academy.learner, tool, wrong.into()).await;
        let names = |fields: &Value| -> Vec<String> {
            fields.as_object().unwrap().keys().cloned().collect()
        };
        assert_eq!(
            names(&of_tool["error"]["fields"]),
            names(&of_rest),
            "{tool}"
        );
    }
}

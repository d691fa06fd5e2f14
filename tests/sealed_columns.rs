//! Which columns of the schema hold sealed texts: those that their nouns declare, by name and by content. What a column
//! holds that is in no declaration would be lost with the key that sealed it.

use std::collections::BTreeSet;

use mentor_gateway::app::{App, SEALED};
use mentor_gateway::oauth::client::{self, NewRegistered};
use mentor_gateway::oauth::{Client as OauthClient, TokenAuthMethod};
use mentor_gateway::secret::Secret;
use mentor_gateway::sql;
use mentor_gateway::storage::{Tx, query};
use mentor_gateway::tenant;
use serde_json::json;
use upstream_fixtures::issuer::Switches;

use crate::harness::{Client, Gateway, PUBLIC_SERVER, SignIn, connect, register};

/// A table and its column.
type Column = (String, String);

/// What proves a master key is sealed with that key, and goes when the key does.
const PROOF: (&str, &str) = ("master_keys", "proof");

fn declared() -> BTreeSet<Column> {
    let tables = SEALED.iter();
    let columns =
        tables.flat_map(|table| table.columns.iter().map(|(name, _)| (table.table, *name)));
    columns
        .map(|(table, name)| (table.to_owned(), name.to_owned()))
        .collect()
}

/// Every column of the schema: its table, its name and its type.
async fn schema(tx: &mut Tx) -> Vec<(String, String, String)> {
    let found = match tx {
        Tx::Sqlite(_) => sql!(
            tx,
            fetch_all as (String, String, String),
            "SELECT t.name, c.name, c.type FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table'"
        ),
        Tx::Postgres(_) => sql!(
            tx,
            fetch_all as (String, String, String),
            "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT), CAST(data_type AS TEXT)
             FROM information_schema.columns WHERE table_schema = current_schema()"
        ),
    };
    found.unwrap()
}

/// The columns with a text, or a piece of one, that the gateway sealed with the key that seals now.
async fn with_sealed_content(app: &App) -> BTreeSet<Column> {
    let beginning = format!("%v1.{}.%", app.vault.key_ids()[0]);
    let mut tx = app.db.read().await.unwrap();
    let mut found = BTreeSet::new();
    for (table, column, kind) in schema(&mut tx).await {
        let text = match kind.as_str() {
            "bytea" => format!(r#"encode("{column}", 'escape')"#),
            _ => format!(r#"CAST("{column}" AS TEXT)"#),
        };
        let count = format!(r#"SELECT COUNT(*) FROM "{table}" WHERE {text} LIKE $1"#);
        let values = [beginning.as_str().into()];
        let rows: Vec<(i64,)> = query::fetch_all(&mut tx, count, &values).await.unwrap();
        if rows[0].0 > 0 {
            found.insert((table, column));
        }
    }
    found
}

/// Fails if a sealed text lies where no noun declares one.
pub async fn assert_declared(app: &App) {
    let found = with_sealed_content(app).await;
    let mut known = declared();
    known.insert((PROOF.0.to_owned(), PROOF.1.to_owned()));
    let forgotten: Vec<&Column> = found.difference(&known).collect();
    assert!(
        forgotten.is_empty(),
        "{forgotten:?} hold what no key will seal anew"
    );
}

/// Something sealed in every place that an administrator fills.
async fn fill(admin: &Client) {
    let headers = json!({ "x-key": "a" });
    let server =
        json!({ "auth_type": "token", "credentials": "of-the-record", "extra_headers": headers });
    let server = register(admin, "Sealed", PUBLIC_SERVER, server).await;
    let connection = json!({
        "scope": "platform", "auth_type": "token", "credentials": "of-the-connection", "extra_headers": headers,
    });
    connect(admin, server, connection).await;
    let model = json!({ "base_url": "https://models.example.com/v1", "model": "m-1", "api_key": "of-the-model" });
    let path = "/api/ai-mentor/orgs/acme/chat-model/";
    admin.put(path, model).await.expect(200);
    let hook = json!({ "url": "https://hooks.example.com/", "events": ["payment.received"] });
    let hook = admin.post("webhooks/", hook).await.expect(201);
    // The secret before moves to a column of its own.
    let rotate = format!("webhooks/{}/rotate/", hook["id"]);
    admin.post(&rotate, json!({})).await.expect(200);
}

/// A client that registered itself, as discovery leaves it.
async fn register_a_client(app: &App) {
    let client = OauthClient {
        id: "registered".into(),
        secret: Secret::new("of-the-client"),
        auth_method: TokenAuthMethod::ClientSecretPost,
    };
    let new = NewRegistered {
        issuer: "https://issuer.example",
        redirect_uri: "https://gateway.example.com/callback/",
        client: &client,
        expires_at: None,
    };
    let mut tx = app.db.write().await.unwrap();
    let acme = tenant::get(&mut tx, "acme").await.unwrap().id;
    let remembered = client::remember(&mut tx, &app.vault, acme, &new, app.clock.now());
    remembered.await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn every_column_that_is_called_sealed_is_declared_by_a_noun() {
    let gateway = Gateway::start().await;
    let mut tx = gateway.app.db.read().await.unwrap();
    let columns = schema(&mut tx).await.into_iter();
    let columns = columns.map(|(table, column, _)| (table, column));
    let named: BTreeSet<Column> = columns
        .filter(|(_, column)| column.contains("sealed"))
        .collect();
    assert_eq!(
        named,
        declared(),
        "a noun declares what it seals, and `app::SEALED` collects it"
    );
}

#[tokio::test]
async fn a_sealed_text_is_in_every_column_that_a_noun_declares_and_in_no_other() {
    let sign_in = SignIn::start(Switches::default()).await;
    // A grant; who the tenant is at its provider is stored already.
    sign_in.connect(&sign_in.stage.learner).await;
    let app = &sign_in.gateway().app;
    fill(&sign_in.stage.admin).await;
    register_a_client(app).await;
    let mut expected = declared();
    expected.insert((PROOF.0.to_owned(), PROOF.1.to_owned()));
    assert_eq!(with_sealed_content(app).await, expected);
}

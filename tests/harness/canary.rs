//! Whatever the gateway writes, and the secrets in it: each piece of each secret, in every spelling that text may have.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use sqlx::Connection as _;

/// Bytes of a secret's spelling that are a find: more than a mask shows, and more than chance brings about.
const PIECE: usize = 12;

/// Secrets that nobody can mistake, by what they are.
#[derive(Default)]
pub struct Canaries {
    pieces: HashMap<[u8; PIECE], &'static str>,
    /// Bytes as `Debug` prints them, which are too long-winded for pieces.
    lists: Vec<(String, &'static str)>,
}

impl Canaries {
    /// Adds a secret; only what is secret of it, without a prefix that every key has.
    pub fn add(&mut self, what: &'static str, secret: &str) {
        assert!(secret.len() > PIECE + 4, "{what} is too short to be found");
        for spelling in spellings(secret.as_bytes()) {
            for piece in spelling.as_bytes().windows(PIECE) {
                self.pieces.insert(piece.try_into().unwrap(), what);
            }
        }
        let list = format!("{:?}", &secret.as_bytes()[..PIECE]);
        let list = list.trim_matches(['[', ']']).to_owned();
        self.lists.push((list, what));
    }

    /// What is found in these bytes.
    pub fn found_in(&self, bytes: &[u8]) -> BTreeSet<&'static str> {
        let windows = bytes.windows(PIECE);
        let pieces = windows.filter_map(|window| self.pieces.get(window));
        let mut found: BTreeSet<&'static str> = pieces.copied().collect();
        let text = String::from_utf8_lossy(bytes);
        let lists = self.lists.iter();
        found.extend(lists.filter_map(|(list, what)| text.contains(list).then_some(*what)));
        found
    }
}

fn spellings(secret: &[u8]) -> Vec<String> {
    let hex = secret.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    });
    let percent = secret.iter().fold(String::new(), |mut text, byte| {
        write!(text, "%{byte:02X}").unwrap();
        text
    });
    let form = url::form_urlencoded::byte_serialize(secret).collect();
    let plain = String::from_utf8_lossy(secret).into_owned();
    let mut all = vec![
        hex.to_uppercase(),
        hex,
        percent.to_lowercase(),
        percent,
        form,
        plain,
    ];
    // Wherever the secret stands in what is encoded: its first and last characters depend on its neighbours.
    for before in 0..3 {
        let shifted = [&[0; 2][..before], secret].concat();
        for encoded in [STANDARD.encode(&shifted), URL_SAFE.encode(&shifted)] {
            all.push(encoded[4..encoded.len() - 4].to_owned());
        }
    }
    all
}

/// Bytes, and where they lie.
pub type Written = (String, Vec<u8>);

/// Every file below a folder.
pub fn written_below(folder: &Path) -> Vec<Written> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(written_below(&path));
        } else {
            files.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    files
}

/// Every row of every table of the schema, as PostgreSQL writes it.
pub async fn rows_of(url: &str) -> Vec<Written> {
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()";
    let tables: Vec<(String,)> = sqlx::query_as(tables)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let mut sinks = Vec::new();
    for (table,) in tables {
        let text = format!("SELECT CAST(t AS TEXT) FROM {table} t");
        let rows = sqlx::query_as(sqlx::AssertSqlSafe(text));
        let rows: Vec<(String,)> = rows.fetch_all(&mut connection).await.unwrap();
        let bytes = rows.into_iter().flat_map(|(row,)| row.into_bytes());
        sinks.push((format!("table {table}"), bytes.collect()));
    }
    sinks
}

#[test]
fn a_piece_of_a_secret_is_found_in_every_spelling() {
    const SECRET: &str = "s3cr&t/of+the=p%rovider and more";
    let mut canaries = Canaries::default();
    canaries.add("it", SECRET);
    let basic = |user: &str| STANDARD.encode(format!("{user}:{SECRET}"));
    let piece = &SECRET[7..20];
    for leak in [
        format!("token={piece}"),
        format!("{:?}", SECRET.as_bytes()),
        basic("a"),
        basic("ab"),
        basic("abc"),
        URL_SAFE.encode(SECRET),
        spellings(piece.as_bytes())[0].clone(),
        spellings(piece.as_bytes())[2].clone(),
        url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect(),
    ] {
        assert_eq!(canaries.found_in(leak.as_bytes()), ["it"].into(), "{leak}");
    }
    for harmless in ["s3c****ore", "s3cr&t/of+t", "the provider of it"] {
        let found = canaries.found_in(harmless.as_bytes());
        assert_eq!(found, BTreeSet::new(), "{harmless}");
    }
}

//! The index of the pages' words: which pages of a course have a word of a question, and how rare that word is.
//! A question is never a query: it is taken apart into words, and each of them is quoted.

use sqlx::FromRow;

use super::Page;
use super::rank::{Term, WORDS_ENOUGH, weight};
use super::words::words;
use crate::academy::enrollment::Enrollment;
use crate::academy::{RealmId, Result};
use base::sql;
use base::storage::Tx;

/// Pages that are ranked at most; with more of them that have a word, those that the database finds best.
const CANDIDATES_MAX: i64 = 200;
/// Words of a question that are searched for at most.
const WORDS_MAX: usize = 32;

/// What a course's materials have for a question.
pub(super) struct Found {
    /// The words that some page has, in the question's order.
    pub(super) terms: Vec<Term>,
    /// What the words of the question tell together that no page has.
    pub(super) unknown: f64,
    /// The pages that have any of them, in the course's order.
    pub(super) pages: Vec<Page>,
    /// How many words a page of the course has on average.
    pub(super) mean_length: f64,
}

#[derive(FromRow)]
struct Size {
    pages: i64,
    mean_length: f64,
}

/// Searches the materials that an enrollment opens; a question with hardly a word of its own goes on with the one before.
///
/// How rare a word is, and how long a page is on average, is counted over all pages of the course and not over the
/// candidates, so that a score does not hang on how many of them there are.
pub(super) async fn search(
    tx: &mut Tx,
    realm: RealmId,
    enrollment: &Enrollment,
    (question, before): (&str, &str),
) -> Result<Found> {
    let size = size(tx, realm, enrollment).await?;
    let (mut terms, mut unknown): (Vec<Term>, f64) = (Vec::new(), 0.0);
    for text in [question, before] {
        if terms.len() < WORDS_ENOUGH {
            for word in distinct(text) {
                let with = pages_with(tx, realm, enrollment, &word).await?;
                if with == 0 && text == question {
                    unknown += weight(size.pages, 0);
                }
                if with > 0 && !terms.iter().any(|term| term.word == word) {
                    let weight = weight(size.pages, with);
                    terms.push(Term { word, weight });
                }
            }
        }
    }
    Ok(Found {
        pages: candidates(tx, realm, enrollment, &terms).await?,
        terms,
        unknown,
        mean_length: size.mean_length,
    })
}

fn distinct(text: &str) -> Vec<String> {
    let mut distinct = Vec::new();
    for word in words(text) {
        if distinct.len() < WORDS_MAX && !distinct.contains(&word) {
            distinct.push(word);
        }
    }
    distinct
}

/// What stands before the words of every page of a realm, so that a search of one realm does not walk through those of
/// all others. It ends in an `s`, which no word of more than three letters does.
fn mark(realm: RealmId) -> String {
    format!("realm{}s", realm.0)
}

/// The query that finds the pages of a realm with any of these words, in the one syntax that both databases read.
fn query<'a>(realm: RealmId, words: impl Iterator<Item = &'a str>) -> String {
    let mark = mark(realm);
    let either: Vec<String> = words.map(|word| format!("\"{mark}\" \"{word}\"")).collect();
    either.join(" OR ")
}

async fn size(tx: &mut Tx, realm: RealmId, enrollment: &Enrollment) -> Result<Size> {
    Ok(sql!(
        tx,
        fetch_one as Size,
        "SELECT COUNT(*) AS pages, CAST(COALESCE(AVG(w.length), 0) AS DOUBLE PRECISION) AS mean_length
         FROM academy_page_words w JOIN academy_materials m ON m.realm_id = w.realm_id AND m.id = w.material_id
         WHERE m.realm_id = $1 AND m.course_id = $2 AND (m.organization_id IS NULL OR m.organization_id = $3)",
        realm,
        &enrollment.course_id,
        enrollment.organization_id.as_deref()
    )?)
}

// `CROSS JOIN` keeps SQLite from beginning with the materials and asking the index again for each of them.

async fn pages_with(
    tx: &mut Tx,
    realm: RealmId,
    enrollment: &Enrollment,
    word: &str,
) -> Result<i64> {
    Ok(sql!(
        tx,
        scalar as i64,
        "SELECT COUNT(*) FROM academy_page_index($1) i CROSS JOIN academy_page_words w CROSS JOIN academy_materials m
         WHERE w.id = i.rowid AND m.realm_id = w.realm_id AND m.id = w.material_id
           AND m.realm_id = $2 AND m.course_id = $3 AND (m.organization_id IS NULL OR m.organization_id = $4)",
        query(realm, [word].into_iter()),
        realm,
        &enrollment.course_id,
        enrollment.organization_id.as_deref()
    )?)
}

async fn candidates(
    tx: &mut Tx,
    realm: RealmId,
    enrollment: &Enrollment,
    terms: &[Term],
) -> Result<Vec<Page>> {
    if terms.is_empty() {
        return Ok(Vec::new());
    }
    Ok(sql!(
        tx,
        fetch_all as Page,
        "SELECT material_id, title, page, body FROM
           (SELECT p.material_id, m.title, p.page, p.body, m.position
            FROM academy_page_index($1) i CROSS JOIN academy_page_words w CROSS JOIN academy_materials m
            CROSS JOIN academy_pages p
            WHERE w.id = i.rowid AND m.realm_id = w.realm_id AND m.id = w.material_id
              AND p.realm_id = w.realm_id AND p.material_id = w.material_id AND p.page = w.page
              AND m.realm_id = $2 AND m.course_id = $3 AND (m.organization_id IS NULL OR m.organization_id = $4)
            ORDER BY i.rank, w.id LIMIT $5) best
         ORDER BY position, material_id, page",
        query(realm, terms.iter().map(|term| term.word.as_str())),
        realm,
        &enrollment.course_id,
        enrollment.organization_id.as_deref(),
        CANDIDATES_MAX
    )?)
}

/// A page without its words.
#[derive(FromRow)]
struct Bare {
    realm_id: RealmId,
    material_id: String,
    page: i64,
    body: String,
}

/// Adds a page to the index.
///
/// # Errors
/// If the database fails.
pub(in crate::academy) async fn add(
    tx: &mut Tx,
    realm: RealmId,
    (material, page): (&str, i64),
    body: &str,
) -> Result<()> {
    let words: Vec<String> = words(body).collect();
    sql!(
        tx,
        execute,
        "INSERT INTO academy_page_words (realm_id, material_id, page, length, words) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (realm_id, material_id, page) DO NOTHING",
        realm,
        material,
        page,
        i64::try_from(words.len()).unwrap_or(i64::MAX),
        format!("{} {}", mark(realm), words.join(" "))
    )?;
    Ok(())
}

/// Adds pages that were stored before there was an index, at most so many. Returns how many there were.
///
/// # Errors
/// If the database fails.
pub async fn catch_up(tx: &mut Tx, at_most: i64) -> Result<usize> {
    let bare = sql!(
        tx,
        fetch_all as Bare,
        "SELECT p.realm_id, p.material_id, p.page, p.body FROM academy_pages p
         LEFT JOIN academy_page_words w
           ON w.realm_id = p.realm_id AND w.material_id = p.material_id AND w.page = p.page
         WHERE w.id IS NULL LIMIT $1",
        at_most
    )?;
    for page in &bare {
        let which = (page.material_id.as_str(), page.page);
        add(tx, page.realm_id, which, &page.body).await?;
    }
    Ok(bare.len())
}

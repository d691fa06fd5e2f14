//! Page numbers and the page envelope.

use serde::Serialize;
use serde_json::json;
use url::form_urlencoded;

use super::super::answer::Answer;
use super::super::endpoint::Incoming;
use super::error::PAGE;
use base::error::{Error, FieldErrors, Result};
use base::fields::{Fields, Raw};
use base::storage::{Page, PageRequest};

/// Rows in a page unless asked otherwise. Large, for one client reads only the first page of connections.
const SIZE_DEFAULT: i64 = 100;
/// Rows in a page at most.
const SIZE_MAX: i64 = 1000;

/// Results in a page of analytics unless asked otherwise.
const LIMIT_DEFAULT: i64 = 20;
/// Results in a page of analytics at most.
const LIMIT_MAX: i64 = 100;

/// The page that a query asks for.
///
/// # Errors
/// `NotFound` of a page if its number is none.
pub fn request(query: &Fields) -> Result<PageRequest> {
    let number = match last(query, "page") {
        None => 1,
        Some(text) => parse(text).ok_or(Error::NotFound(PAGE))?,
    };
    let size = last(query, "page_size").and_then(parse);
    Ok(PageRequest {
        number,
        size: size.unwrap_or(SIZE_DEFAULT).min(SIZE_MAX),
    })
}

/// The page that a query of analytics asks for, by `page` and `limit`. Complaints go to `errors`.
pub(crate) fn of_analytics(query: &Fields, errors: &mut FieldErrors) -> PageRequest {
    let mut number = |name: &str, default: i64, max: i64| match last(query, name) {
        None => default,
        Some(text) => match parse(text).filter(|number| *number <= max) {
            Some(number) => number,
            None if max == i64::MAX => {
                errors.add(name, "Must be a positive number.");
                default
            }
            None => {
                errors.add(name, format!("Must be a number from 1 to {max}."));
                default
            }
        },
    };
    PageRequest {
        number: number("page", 1, i64::MAX),
        size: number("limit", LIMIT_DEFAULT, LIMIT_MAX),
    }
}

fn last<'a>(query: &'a Fields, name: &str) -> Option<&'a str> {
    match query.get(name)? {
        Raw::Texts(texts) => texts.last().map(String::as_str),
        Raw::Json(_) | Raw::File(_) => None,
    }
}

fn parse(text: &str) -> Option<i64> {
    let is_decimal = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|number| is_decimal && *number > 0)
}

/// The envelope around a page: count, absolute links to its neighbours, and the rows.
///
/// # Errors
/// `NotFound` of a page beyond the last; `Internal` if a row cannot be written as JSON.
pub fn envelope<T: Serialize>(
    incoming: &Incoming,
    asked: PageRequest,
    page: Page<T>,
) -> Result<Answer> {
    let (previous, next) = neighbours(incoming, asked, page.total)?;
    Answer::ok(&json!({
        "count": page.total,
        "next": next,
        "previous": previous,
        "results": page.rows,
    }))
}

/// Absolute links to the page before and the page after, where there are such.
///
/// # Errors
/// `NotFound` of a page beyond the last.
pub fn neighbours(
    incoming: &Incoming,
    asked: PageRequest,
    total: i64,
) -> Result<(Option<String>, Option<String>)> {
    let pages = total.saturating_add(asked.size - 1) / asked.size;
    if asked.number > pages.max(1) {
        return Err(Error::NotFound(PAGE));
    }
    let previous = (asked.number > 1).then(|| link(incoming, asked.number - 1));
    let next = (asked.number < pages).then(|| link(incoming, asked.number + 1));
    Ok((previous, next))
}

/// The same URL with another page number; the first page has none.
fn link(incoming: &Incoming, number: i64) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if number > 1 {
        query.append_pair("page", &number.to_string());
    }
    query.extend_pairs(incoming.query.pairs().filter(|(name, _)| *name != "page"));
    let query = query.finish();
    let url = format!("{}{}", incoming.base_url, incoming.asked_path);
    if query.is_empty() {
        url
    } else {
        format!("{url}?{query}")
    }
}

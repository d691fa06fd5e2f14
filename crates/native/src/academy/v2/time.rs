//! Times as v2 writes and reads them: `2024-12-01T10:00:00Z` and `2024-12-15`.

use std::borrow::Cow;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use crate::failure::Refusal;
pub(super) use base::clock::Iso;
use base::clock::UnixMs;
use base::error::{Error, FieldErrors};
use learning::academy::office_hours::Span;

/// One day, in ms.
const DAY_MS: i64 = 86_400_000;
/// Days of a range that nobody gave.
const RANGE_DAYS: i64 = 30;
/// Longest range, in ms: a year.
const RANGE_MS_MAX: i64 = 366 * DAY_MS;

/// A day in UTC.
#[derive(Debug, Clone, Copy)]
pub(super) struct Day(pub(super) UnixMs);

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.to_iso();
        serializer.serialize_str(text.split('T').next().unwrap_or_default())
    }
}

impl JsonSchema for Day {
    fn schema_name() -> Cow<'static, str> {
        "Day".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date" })
    }
}

/// A point in time as a client writes it.
///
/// # Errors
/// `Invalid` under the field's name if it is none.
pub(super) fn instant(field: &str, text: &str) -> Result<UnixMs, Refusal> {
    let at: Result<jiff::Timestamp, _> = text.parse();
    match at {
        Ok(at) => Ok(UnixMs(at.as_millisecond())),
        Err(_) => Err(Error::field(field, "Must be a time, such as 2024-12-02T10:00:00Z.").into()),
    }
}

/// The span of whole days in a time zone; from now on, for 30 days, where a bound is missing.
///
/// # Errors
/// `Invalid` for days or zones that do not exist, an end before the start, or more than a year.
pub(super) fn days(
    (start, end): (Option<&str>, Option<&str>),
    zone: &str,
    now: UnixMs,
) -> Result<Span, Refusal> {
    let mut errors = FieldErrors::default();
    // A name, never a path: the database of zones may be a folder.
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+');
    let found = TimeZone::get(zone)
        .ok()
        .filter(|_| zone.chars().all(is_name));
    if found.is_none() {
        errors.add(
            "timezone",
            "Must be an IANA time zone, such as America/New_York.",
        );
    }
    let zone = found.unwrap_or(TimeZone::UTC);
    let mut instant = |field: &str, text: Option<&str>, adds: i64| {
        let text = text?;
        let date: Option<Date> = text.parse().ok().filter(|_| text.len() == 10);
        let date = date.and_then(|date| date.checked_add(jiff::Span::new().days(adds)).ok());
        let at = date.and_then(|date| date.to_zoned(zone.clone()).ok());
        if at.is_none() {
            errors.add(field, "Must be a date, YYYY-MM-DD.");
        }
        at.map(|at| UnixMs(at.timestamp().as_millisecond()))
    };
    let from = instant("dateRange.start", start, 0);
    let until = instant("dateRange.end", end, 1);
    let from = from.unwrap_or(now);
    let until = until.unwrap_or(UnixMs(from.0.max(now.0) + RANGE_DAYS * DAY_MS));
    if until <= from {
        errors.add("dateRange.end", "Must not be before the start.");
    } else if until.0 - from.0 > RANGE_MS_MAX {
        errors.add("dateRange.end", "A range is at most a year long.");
    }
    errors.into_result()?;
    Ok(Span {
        from: from.max(now),
        until,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_733_133_600_000);

    fn span(
        start: Option<&str>,
        end: Option<&str>,
        zone: &str,
    ) -> Result<(String, String), String> {
        days((start, end), zone, NOW)
            .map(|span| (span.from.to_iso(), span.until.to_iso()))
            .map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn days_are_those_of_the_time_zone() {
        let iso = |from: &str, until: &str| Ok((from.to_owned(), until.to_owned()));
        assert_eq!(
            span(Some("2024-12-09"), Some("2024-12-13"), "America/New_York"),
            iso("2024-12-09T05:00:00Z", "2024-12-14T05:00:00Z")
        );
        // The clocks go forward that night: the day has 23 hours.
        assert_eq!(
            span(Some("2025-03-09"), Some("2025-03-09"), "America/New_York"),
            iso("2025-03-09T05:00:00Z", "2025-03-10T04:00:00Z")
        );
        assert_eq!(
            span(None, None, "UTC"),
            iso("2024-12-02T10:00:00Z", "2025-01-01T10:00:00Z")
        );
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for (start, end, zone, field) in [
            (Some("2024-02-30"), None, "UTC", "dateRange.start"),
            (Some("2024-12-9"), None, "UTC", "dateRange.start"),
            (
                Some("2024-12-10"),
                Some("2024-12-09"),
                "UTC",
                "dateRange.end",
            ),
            (
                Some("2024-12-10"),
                Some("9999-12-31"),
                "UTC",
                "dateRange.end",
            ),
            (None, None, "../../etc/passwd", "timezone"),
            (None, None, "Mars/Olympus", "timezone"),
        ] {
            let refused = span(start, end, zone).unwrap_err();
            assert!(refused.contains(field), "{refused}");
        }
    }
}

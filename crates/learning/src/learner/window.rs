//! The span of time that is asked about, in days of the learner's time zone.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Unit, Zoned, ZonedRound};

use base::clock::UnixMs;
use base::error::FieldErrors;

/// A span of time and the zone in which it was meant.
#[derive(Debug, Clone)]
pub struct Window {
    /// When it begins.
    pub from: UnixMs,
    /// When it has ended.
    pub until: UnixMs,
    /// Whose days it has.
    pub zone: TimeZone,
}

/// The span as a client asks for it.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// A day or a point in time.
    pub start_date: Option<String>,
    /// The last day, or a point in time.
    pub end_date: Option<String>,
    /// A span that has a name.
    pub date_filter: Option<String>,
}

/// How many days, today among them, a name stands for.
const NAMED: [(&str, i64); 4] = [("today", 1), ("7d", 7), ("30d", 30), ("90d", 90)];

impl Window {
    /// The span that is asked for; all of time if nothing is. Complaints go to `errors`.
    pub fn of(asked: &Asked, zone: &str, now: UnixMs, errors: &mut FieldErrors) -> Self {
        let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
        let mut window = Self {
            from: UnixMs(i64::MIN),
            until: UnixMs(i64::MAX),
            zone,
        };
        let has_dates = asked.start_date.is_some() || asked.end_date.is_some();
        match asked.date_filter.as_deref() {
            None | Some("custom" | "all_time") => {}
            Some(_) if has_dates => {
                errors.add("date_filter", "Give either a filter or dates, not both.");
                return window;
            }
            Some(name) => match NAMED.iter().find(|(known, _)| *known == name) {
                Some((_, days)) => window.from = window.days_ago(days - 1, now),
                None => errors.add(
                    "date_filter",
                    "Must be one of: today, 7d, 30d, 90d, all_time, custom.",
                ),
            },
        }
        if let Some(from) = window.instant("start_date", asked.start_date.as_deref(), 0, errors) {
            window.from = from;
        }
        if let Some(until) = window.instant("end_date", asked.end_date.as_deref(), 1, errors) {
            window.until = until;
        }
        if window.until <= window.from && !errors.has("start_date") && !errors.has("end_date") {
            errors.add("end_date", "Must not be before the start.");
        }
        window
    }

    /// Whether a point in time lies in it.
    pub fn has(&self, at: UnixMs) -> bool {
        self.from <= at && at < self.until
    }

    /// A point in time on the clocks of the zone.
    pub fn local(&self, at: UnixMs) -> Zoned {
        let at = Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH);
        at.to_zoned(self.zone.clone())
    }

    fn days_ago(&self, days: i64, now: UnixMs) -> UnixMs {
        let midnight = self.local(now).round(
            ZonedRound::new()
                .smallest(Unit::Day)
                .mode(jiff::RoundMode::Floor),
        );
        let day = midnight.and_then(|midnight| midnight.checked_sub(days.days()));
        day.map_or(now, |day| UnixMs(day.timestamp().as_millisecond()))
    }

    /// A point in time, or a day plus so many days.
    fn instant(
        &self,
        field: &str,
        text: Option<&str>,
        adds: i64,
        errors: &mut FieldErrors,
    ) -> Option<UnixMs> {
        let text = text?.trim();
        let exact: Option<Timestamp> = text.parse().ok();
        let day = || {
            let date: Date = text.parse().ok().filter(|_| text.len() == 10)?;
            let day = date.checked_add(adds.days()).ok()?;
            Some(day.to_zoned(self.zone.clone()).ok()?.timestamp())
        };
        let found = exact.or_else(day);
        if found.is_none() {
            errors.add(
                field,
                "Enter a day that exists, as YYYY-MM-DD, or a time with an offset, as 2026-11-21T00:00:00Z.",
            );
        }
        found.map(|at| UnixMs(at.as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-08T12:00:00Z: the clocks of New York have gone forward that night.
    const NOW: UnixMs = UnixMs(1_772_971_200_000);

    fn window(asked: &Asked) -> Result<(String, String), String> {
        let mut errors = FieldErrors::default();
        let window = Window::of(asked, "America/New_York", NOW, &mut errors);
        match errors.to_string() {
            text if text.is_empty() => Ok((window.from.to_iso(), window.until.to_iso())),
            text => Err(text),
        }
    }

    #[test]
    fn days_are_those_of_the_learner() {
        let named = |name: &str| Asked {
            date_filter: Some(name.into()),
            ..Asked::default()
        };
        assert_eq!(window(&named("today")).unwrap().0, "2026-03-08T05:00:00Z");
        assert_eq!(window(&named("7d")).unwrap().0, "2026-03-02T05:00:00Z");
        let days = Asked {
            start_date: Some("2026-03-08".into()),
            end_date: Some("2026-03-08".into()),
            ..Asked::default()
        };
        let expected = (
            "2026-03-08T05:00:00Z".to_owned(),
            "2026-03-09T04:00:00Z".to_owned(),
        );
        assert_eq!(window(&days), Ok(expected));
    }

    #[test]
    fn spans_that_do_not_exist_are_refused() {
        for (start, end, filter, field) in [
            (Some("2026-02-30"), None, None, "start_date"),
            (Some("2026-03-02"), Some("2026-03-01"), None, "end_date"),
            (None, Some("soon"), None, "end_date"),
            (Some("2026-03-02"), None, Some("7d"), "date_filter"),
            (None, None, Some("14d"), "date_filter"),
        ] {
            let asked = Asked {
                start_date: start.map(str::to_owned),
                end_date: end.map(str::to_owned),
                date_filter: filter.map(str::to_owned),
            };
            let refused = window(&asked).unwrap_err();
            assert!(refused.starts_with(field), "{refused}");
        }
    }
}

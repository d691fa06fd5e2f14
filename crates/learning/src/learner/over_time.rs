//! Time as a series: how many seconds fell into each hour, day, week or month of the learner's zone.

use std::collections::BTreeMap;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;

use super::event::Event;
use super::window::Window;

/// The length of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granularity {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week, beginning on Monday.
    Week,
    /// A month.
    Month,
}

impl FromStr for Granularity {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "hour" => Ok(Self::Hour),
            "day" => Ok(Self::Day),
            "week" => Ok(Self::Week),
            "month" => Ok(Self::Month),
            _ => Err("Must be one of: day, hour, week, month.".to_owned()),
        }
    }
}

/// One step in which something was done.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub(super) struct Point {
    /// When the step begins, on the clocks of the zone.
    date: String,
    /// Seconds.
    value: i64,
}

pub(super) fn over_time(events: &[Event], window: &Window, step: Granularity) -> Vec<Point> {
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for event in events {
        let at = window.local(event.at);
        let date = at.date();
        let begins = match step {
            Granularity::Hour => format!("{date}T{:02}:00:00", at.hour()),
            Granularity::Day => date.to_string(),
            Granularity::Week => {
                let since_monday = i64::from(date.weekday().to_monday_zero_offset());
                let monday = date.saturating_sub(jiff::Span::new().days(since_monday));
                monday.to_string()
            }
            Granularity::Month => date.first_of_month().to_string(),
        };
        *sums.entry(begins).or_default() += event.seconds;
    }
    let points = sums.into_iter();
    points.map(|(date, value)| Point { date, value }).collect()
}

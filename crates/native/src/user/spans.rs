//! The span of time that the tools of analytics are asked about.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::call::Call;
use crate::failure::Refusal;
use learning::learner::{Asked, Learner, Window, zone_of};

/// A span that has a name.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(super) enum DateFilter {
    #[serde(rename = "today")]
    Today,
    #[serde(rename = "7d")]
    Week,
    #[serde(rename = "30d")]
    Month,
    #[serde(rename = "90d")]
    Quarter,
}

impl DateFilter {
    fn as_str(self) -> &'static str {
        match self {
            Self::Today => "today",
            Self::Week => "7d",
            Self::Month => "30d",
            Self::Quarter => "90d",
        }
    }
}

/// The span, in days of the learner's zone.
///
/// # Errors
/// `Invalid` with what is wrong with it, and with the complaints that there were before.
pub(super) async fn window(
    call: &mut Call<'_>,
    learner: &Learner,
    (start_date, end_date, filter): (Option<String>, Option<String>, Option<DateFilter>),
) -> Result<Window, Refusal> {
    let asked = Asked {
        start_date,
        end_date,
        date_filter: filter.map(|filter| filter.as_str().to_owned()),
    };
    let zone = zone_of(call.tx, learner).await?;
    let mut errors = std::mem::take(&mut call.complaints);
    let window = Window::of(&asked, &zone, call.now, &mut errors);
    errors.into_result()?;
    Ok(window)
}

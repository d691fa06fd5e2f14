//! What a view offered when somebody was last told of it.

use std::sync::{Arc, Mutex, PoisonError};

use super::catalog::CAPABILITIES;
use super::item::List;
use super::lists::Listing;

/// What a view offered when somebody was last told of it. Kept with a session, so that a stream that is opened after
/// a broken one tells what changed between them.
#[derive(Debug, Clone, Default)]
pub struct Known(Arc<Mutex<Option<Offer>>>);

type Offer = [Arc<Listing>; 4];

impl Known {
    /// Takes what is offered now, and returns the capabilities whose lists are others than before. Of the first offer
    /// nothing is new.
    pub(super) fn replace(&self, now: Offer) -> Vec<&'static str> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.replace(now.clone());
        let differs = |list: List| {
            let before = before.as_ref().map(|before| &before[list as usize]);
            before.is_some_and(|before| !before.shows_the_same(&now[list as usize]))
        };
        CAPABILITIES
            .into_iter()
            .filter(|capability| {
                let mut lists = List::ALL
                    .into_iter()
                    .filter(|l| l.capability() == *capability);
                lists.any(differs)
            })
            .collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.is_none()
    }
}

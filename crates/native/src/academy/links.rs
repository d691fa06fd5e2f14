//! Absolute links to what the academy serves over HTTP.

use crate::call::Call;
use learning::academy::RealmId;
use learning::academy::download::Download;

/// The folder of everything that the academy serves as files.
const FILES: &str = "/academy";

/// The page on which anybody can check a certificate.
pub(super) fn verification(call: &Call<'_>, certificate: &str) -> String {
    format!("{}/verify/{certificate}", call.base_url)
}

/// The room of a booked session, if the instructor has one.
pub(super) fn meeting(rooms: &str, booking: &str) -> Option<String> {
    (!rooms.is_empty()).then(|| format!("{}/{booking}", rooms.trim_end_matches('/')))
}

/// Links to files for the caller, all ending at the same time.
pub(super) struct Files {
    pub(super) download: Download,
}

impl Files {
    /// Links of this call.
    pub(super) fn new(call: &Call<'_>, realm: RealmId) -> Self {
        Self {
            download: Download::new(realm, call.caller.into(), call.now),
        }
    }

    /// A certificate in a format: `pdf`, `png` or `svg`.
    pub(super) fn certificate(&self, call: &Call<'_>, id: &str, format: &str) -> String {
        self.link(call, &format!("certificates/{id}.{format}"))
    }

    /// A material, as a file of this name.
    pub(super) fn material(&self, call: &Call<'_>, id: &str) -> String {
        self.link(call, &format!("materials/{id}/download"))
    }

    /// The calendar entry of a booking.
    pub(super) fn calendar(&self, call: &Call<'_>, booking: &str) -> String {
        self.link(call, &format!("bookings/{booking}/calendar.ics"))
    }

    fn link(&self, call: &Call<'_>, file: &str) -> String {
        let token = self.download.token(call.vault, file);
        format!("{}{FILES}/{file}?token={token}", call.base_url)
    }
}

//! A booked session as a calendar entry (RFC 5545).
//! Says nothing of who else is in it.

use super::office_hours::{Booking, Slot};
use base::clock::UnixMs;

/// Longest line, in bytes, before it is folded (RFC 5545, 3.1).
const LINE_BYTES_MAX: usize = 75;

/// The entry of a booking.
pub fn entry(booking: &Booking, slot: &Slot, now: UnixMs) -> String {
    let room = slot.meeting_url.trim_end_matches('/');
    let place = if room.is_empty() {
        String::new()
    } else {
        format!("{room}/{}", booking.id)
    };
    let lines = [
        "BEGIN:VCALENDAR".to_owned(),
        "VERSION:2.0".to_owned(),
        "PRODID:-//mentor-gateway//academy//EN".to_owned(),
        "METHOD:PUBLISH".to_owned(),
        "BEGIN:VEVENT".to_owned(),
        format!("UID:{}@mentor-gateway", booking.id),
        format!("DTSTAMP:{}", stamp(now)),
        format!("DTSTART:{}", stamp(slot.starts_at)),
        format!("DTEND:{}", stamp(slot.ends_at)),
        format!(
            "SUMMARY:{}",
            text(&format!("Office hours with {}", slot.instructor_name))
        ),
        format!(
            "DESCRIPTION:{}",
            text(&format!("{}\n{}", booking.course_title, booking.topic))
        ),
        format!("LOCATION:{}", text(&place)),
        "STATUS:CONFIRMED".to_owned(),
        "END:VEVENT".to_owned(),
        "END:VCALENDAR".to_owned(),
    ];
    lines.iter().map(|line| folded(line)).collect()
}

/// `20241205T140000Z`.
fn stamp(at: UnixMs) -> String {
    let seconds = UnixMs(at.0 - at.0.rem_euclid(1000));
    seconds.to_iso().replace(['-', ':'], "")
}

fn text(plain: &str) -> String {
    let escaped = plain
        .replace('\\', "\\\\")
        .replace(';', "\\;")
        .replace(',', "\\,");
    let in_one = escaped
        .replace("\r\n", "\\n")
        .replace(['\n', '\r', '\u{2028}', '\u{2029}'], "\\n");
    // Of the others a reader may take some for the end of a line (RFC 5545, 3.1: TEXT has no control characters).
    in_one.replace(char::is_control, " ")
}

fn folded(line: &str) -> String {
    let (mut out, mut rest) = (String::new(), line);
    while rest.len() > LINE_BYTES_MAX {
        let (head, tail) = rest.split_at(rest.floor_char_boundary(LINE_BYTES_MAX - 1));
        out.push_str(head);
        out.push_str("\r\n ");
        rest = tail;
    }
    out.push_str(rest);
    out.push_str("\r\n");
    out
}

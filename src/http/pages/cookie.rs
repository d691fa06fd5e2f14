//! The cookie that tells which browser it is. Only our own pages are sent it, and no script can read it.

use http::HeaderMap;
use http::header::{COOKIE, HeaderValue};

use base::error::{Error, Result};
use base::secret::Secret;
use tenancy::auth::BROWSER_LIFE;

/// The name where people reach us over TLS: browsers then take it only from this very host, for all of it.
const SECURE_NAME: &str = "__Host-mentor-gateway";
/// The name on a machine of one's own without TLS, where browsers refuse the other.
const PLAIN_NAME: &str = "mentor-gateway";
/// Characters of the value.
const VALUE_CHARACTERS: usize = 64;

fn name(is_secure: bool) -> &'static str {
    if is_secure { SECURE_NAME } else { PLAIN_NAME }
}

/// The value in a request. A doubled cookie was planted by somebody and counts as none.
pub(super) fn value_in(headers: &HeaderMap, is_secure: bool) -> Option<&str> {
    let all = headers.get_all(COOKIE).iter();
    let pairs = all
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    let mut values = pairs.filter_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name(is_secure)).then_some(value)
    });
    let value = values.next()?;
    let is_ours = value.len() == VALUE_CHARACTERS && value.bytes().all(|b| b.is_ascii_hexdigit());
    (values.next().is_none() && is_ours).then_some(value)
}

/// The header that sets the cookie.
///
/// # Errors
/// `Internal` never: the value is hex.
pub(super) fn set(value: &Secret, is_secure: bool) -> Result<HeaderValue> {
    line(value.expose(), BROWSER_LIFE.as_secs(), is_secure)
}

/// The header that takes the cookie away.
///
/// # Errors
/// `Internal` never: nothing in it varies.
pub(super) fn clear(is_secure: bool) -> Result<HeaderValue> {
    line("", 0, is_secure)
}

fn line(value: &str, seconds: u64, is_secure: bool) -> Result<HeaderValue> {
    let secure = if is_secure { "; Secure" } else { "" };
    let text = format!(
        "{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}",
        name(is_secure)
    );
    let mut header = HeaderValue::try_from(text).map_err(Error::internal)?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(lines: &[&str], is_secure: bool) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, line.parse().unwrap());
        }
        value_in(&headers, is_secure).is_some()
    }

    #[test]
    fn only_one_cookie_of_the_right_name_and_form_counts() {
        let value = "0123456789abcdef".repeat(4);
        let secure = format!("a=b; __Host-mentor-gateway={value}");
        let plain = format!("mentor-gateway={value}");
        assert!(seen(&[&secure], true) && seen(&[&plain], false));
        assert!(!seen(&[&plain], true), "planted by a sub-domain");
        assert!(!seen(&[&secure, &secure], true), "twice");
        assert!(!seen(&["__Host-mentor-gateway=short"], true));
        assert!(!seen(&[], true));
    }

    #[test]
    fn over_tls_the_cookie_is_bound_to_the_host() {
        let set = set(&Secret::new("ab"), true).unwrap();
        assert_eq!(
            set.to_str().unwrap(),
            "__Host-mentor-gateway=ab; Path=/; Max-Age=43200; HttpOnly; SameSite=Lax; Secure"
        );
    }
}

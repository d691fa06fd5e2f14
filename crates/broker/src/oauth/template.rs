//! URLs of the catalog with places that a tenant's credential fills in: `https://{domain}/x`, `{tenant_id=common}`.
//! A value may be a host name and nothing else, so that it cannot change what the URL means.

/// Longest value; a host name is no longer (RFC 1035).
const VALUE_BYTES_MAX: usize = 253;

/// Whether every `{` has its `}` and a name in between.
pub(super) fn is_well_formed(template: &str) -> bool {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((place, after)) = after.split_once('}') else {
            return false;
        };
        let (name, default) = place.split_once('=').unwrap_or((place, "x"));
        if before.contains('}') || !is_name(name) || !is_value(default) {
            return false;
        }
        rest = after;
    }
    !rest.contains('}')
}

/// The names of its places, each with its default if it has one.
pub(super) fn places(template: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let places = template
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next());
    places.map(|place| match place.split_once('=') {
        Some((name, default)) => (name, Some(default)),
        None => (place, None),
    })
}

/// The URL with every place filled in, or the name of the place that no usable value was found for.
pub(super) fn fill(
    template: &str,
    value_of: impl Fn(&str) -> Option<String>,
) -> Result<String, &str> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (place, after) = after.split_once('}').unwrap_or((after, ""));
        let (name, default) = match place.split_once('=') {
            Some((name, default)) => (name, Some(default.to_owned())),
            None => (place, None),
        };
        let given = value_of(name).filter(|value| !value.is_empty());
        let value = given.or(default).filter(|value| is_value(value));
        filled.push_str(before);
        filled.push_str(&value.ok_or(name)?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether a value can fill a place.
pub(super) fn is_value(value: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    !value.is_empty() && value.len() <= VALUE_BYTES_MAX && value.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_in_from_the_credential_or_the_default() {
        let values = |name: &str| (name == "domain").then(|| "school.example".to_owned());
        assert_eq!(
            fill("https://{domain}/a/{tenant=common}/b", values),
            Ok("https://school.example/a/common/b".to_owned())
        );
        assert_eq!(fill("https://{other}/", values), Err("other"));
        assert_eq!(
            fill("https://a.example/", values),
            Ok("https://a.example/".to_owned())
        );
    }

    #[test]
    fn a_value_that_could_change_the_url_is_none() {
        for value in ["a/b", "a:1", "u@h", "a?b", "a#b", "a b", "ä", "%2f", ""] {
            let filled = fill("https://{domain}/", |_| Some(value.to_owned()));
            assert_eq!(filled, Err("domain"), "{value}");
        }
    }

    #[test]
    fn a_broken_place_is_noticed() {
        assert!(is_well_formed("https://{a}/{b=c}/"));
        for broken in [
            "https://{a/",
            "https://a}/",
            "https://{}/",
            "https://{a b}/",
            "https://{a=/}/",
        ] {
            assert!(!is_well_formed(broken), "{broken}");
        }
    }
}

//! Peer URLs that clients name.

use proto::error::Error;

/// The URLs, sorted and each once, if others can be told them.
///
/// # Errors
/// [`Error::MemberBadURLs`] when there is none, or one has another scheme, a path, or no port.
pub(super) fn parse(urls: &[String]) -> Result<Vec<String>, Error> {
    let mut parsed: Vec<String> = urls
        .iter()
        .map(|url| check(url.trim()).map(ToOwned::to_owned))
        .collect::<Option<_>>()
        .ok_or(Error::MemberBadURLs)?;
    parsed.sort_unstable();
    parsed.dedup();
    match parsed.is_empty() {
        true => Err(Error::MemberBadURLs),
        false => Ok(parsed),
    }
}

fn check(url: &str) -> Option<&str> {
    let (scheme, place) = url.split_once("://")?;
    let is_printable = place.bytes().all(|byte| byte.is_ascii_graphic());
    let is_place = match scheme {
        "http" | "https" => has_port(place),
        "unix" | "unixs" => !place.is_empty(),
        _ => false,
    };
    (is_printable && is_place && !place.contains(['/', '?', '#', '@', ','])).then_some(url)
}

/// Whether the place is `host:port`, with an IPv6 address in brackets.
fn has_port(place: &str) -> bool {
    let Some((host, port)) = place.rsplit_once(':') else {
        return false;
    };
    let is_bracketed = host.starts_with('[') && host.ends_with(']') && host.len() > 2;
    let is_plain = !host.is_empty() && !host.contains([':', '[', ']']);
    (is_bracketed || is_plain) && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A URL that no member can dial is replicated for ever.
    #[test]
    fn only_places_that_can_be_dialled() {
        let parse = |urls: &[&str]| {
            let urls: Vec<String> = urls.iter().map(ToString::to_string).collect();
            parse(&urls)
        };
        assert_eq!(
            parse(&["http://b:1", " https://[::1]:2", "http://b:1"]).unwrap(),
            ["http://b:1", "https://[::1]:2"]
        );
        for bad in [
            "",
            "b:1",
            "http://b",
            "http://:1",
            "http://b:1/",
            "http://b:99999",
            "ftp://b:1",
            "http://::1:2",
            "http://b:x",
            "unix://",
            "http://a b:1",
        ] {
            assert_eq!(parse(&[bad]), Err(Error::MemberBadURLs), "{bad}");
        }
        assert_eq!(parse(&[]), Err(Error::MemberBadURLs));
    }
}

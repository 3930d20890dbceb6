//! The W3C `traceparent` header: `00-<trace>-<span>-<flags>`, all in lower-case hex.

/// The span of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Remote {
    pub(super) trace: u128,
    pub(super) span: u64,
    pub(super) is_sampled: bool,
}

impl Remote {
    /// Reads a header; a malformed one is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut hex = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits)?;
            let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            part.bytes().all(is_hex).then_some(part)
        };
        let (version, trace, span, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
        // Later versions may add parts; this one has none.
        if version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let trace = u128::from_str_radix(trace, 16).ok()?;
        let span = u64::from_str_radix(span, 16).ok()?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        (trace != 0 && span != 0).then_some(Self {
            trace,
            span,
            is_sampled: flags & 1 == 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any client can send anything here.
    #[test]
    fn headers() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let parse = |text: &str| Remote::parse(&text.replace('T', trace));
        let remote = parse("00-T-b7ad6b7169203331-01").unwrap();
        assert!(remote.is_sampled && remote.span == 0xb7ad_6b71_6920_3331);
        assert!(!parse("00-T-b7ad6b7169203331-fe").unwrap().is_sampled);
        assert!(parse("01-T-b7ad6b7169203331-01-more").is_some());
        for malformed in [
            "",
            "00",
            "00-T-b7ad6b7169203331",
            "00-T-b7ad6b7169203331-1",
            "00-T-b7ad6b7169203331-01-more",
            "ff-T-b7ad6b7169203331-01",
            "00-T-B7AD6B7169203331-01",
            "00-T-+7ad6b7169203331-01",
            "00-T-0000000000000000-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        ] {
            assert_eq!(parse(malformed), None, "{malformed}");
        }
    }
}

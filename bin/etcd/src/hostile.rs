//! Random words, files and texts: everything is taken or refused, nothing panics.

use proptest::prelude::*;

use crate::file;
use crate::flags::command_line;
use crate::flags::table;
use crate::gates::Gates;
use notation::duration::GoDuration;
use notation::url::Url;

/// Texts that look like values.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9a-fA-FxXoO_+.\\-hmsnuµ]{0,12}",
        "(http|https|unix|ftp)?:?/{0,2}[a-z0-9.:\\[\\]@%/?# ]{0,16}",
    ]
}

proptest! {
    /// A typing error must be answered, not crashed on.
    #[test]
    fn values(text in text()) {
        for flag in table::all() {
            // Only that it returns is of interest.
            let _ = flag.kind.parse(&text);
        }
        let _ = Gates::parse(&text);
    }

    #[test]
    fn words(words in prop::collection::vec("-{0,3}[a-z\\-]{0,8}=?.{0,4}", 0..5)) {
        let _ = command_line::parse(&words);
    }

    #[test]
    fn files(text in "[a-z\\-]{0,6}:? ?[\\[\\]{}&*!|>'\"%@,:a-z0-9\n \\-]{0,60}") {
        let _ = file::read(&text);
    }

    #[test]
    fn durations_are_read_as_written(nanos: i64) {
        let duration = GoDuration(nanos);
        prop_assert_eq!(GoDuration::parse(&duration.to_string()), Ok(duration));
    }

    #[test]
    fn urls_are_read_as_written(text in text()) {
        if let Ok(url) = Url::parse(&text) {
            prop_assert_eq!(Url::parse(&url.to_string()), Ok(url));
        }
    }
}

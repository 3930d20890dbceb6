//! `get`: keys and values.

use proto::etcdserverpb::{
    RangeRequest, RangeResponse,
    range_request::{SortOrder, SortTarget},
};

use super::operands::{choose_one, range};
use crate::exit::Exit;
use crate::flags::{Arguments, Command, Flag, Run, group};
use crate::invocation::Invocation;
use crate::print::{Answer, Format, Shown};

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "get",
    operands: "[options] <key> [range_end]",
    about: "Gets a key or a range of keys",
    group: group::KEY_VALUE,
    flags: FLAGS,
    run: Run::Do(|invocation| Box::pin(run(invocation))),
    ..Command::EMPTY
};

/// The flags, which operations of a transaction have as well.
pub(super) const FLAGS: &[Flag] = &[
    Flag::text(
        "consistency",
        "l",
        "l for linearizable, s for serializable reads",
    ),
    Flag::text("order", "", "order of the results: ASCEND or DESCEND"),
    Flag::text(
        "sort-by",
        "",
        "what to sort by: CREATE, KEY, MODIFY, VALUE or VERSION",
    ),
    Flag::int("limit", "0", "most results to return"),
    Flag::switch("prefix", "get all keys that begin with the key"),
    Flag::switch("from-key", "get all keys from the key on"),
    Flag::int("rev", "0", "revision to read at"),
    Flag::switch("keys-only", "get the keys without values"),
    Flag::switch("count-only", "get only the number of keys"),
    Flag::switch(
        "print-value-only",
        "print only values, in the simple format",
    ),
    Flag::int("min-create-rev", "0", "oldest creation revision"),
    Flag::int("max-create-rev", "0", "newest creation revision"),
    Flag::int("min-mod-rev", "0", "oldest modification revision"),
    Flag::int("max-mod-rev", "0", "newest modification revision"),
    Flag::switch(
        "stream",
        "fetch the results in chunks with the RangeStream call",
    ),
];

async fn run(invocation: Invocation) -> Result<(), Exit> {
    let arguments = &invocation.arguments;
    let request = request(arguments)?;
    let session = invocation.session()?;
    let client = session.short_client().await?;
    let answer = if arguments.bool("stream") {
        streamed(&client, request).await?
    } else {
        client.range(request).await?
    };
    let format = session.printer.format();
    if arguments.bool("count-only") && format != Format::Fields {
        let message = "--count-only is only for `--write-out=fields`";
        return Err(Exit::bad_arguments(message));
    }
    let mut shown = Shown::Both;
    if arguments.bool("print-value-only") {
        if format != Format::Simple {
            let message = "print-value-only is only for `--write-out=simple`";
            return Err(Exit::bad_arguments(message));
        }
        shown = Shown::Value;
    }
    session.printer.print(&Answer::Range(answer, shown))
}

/// Merges the chunks of a streamed read into one answer.
async fn streamed(client: &client::Client, request: RangeRequest) -> Result<RangeResponse, Exit> {
    let mut stream = client.range_stream(request).await?;
    let mut whole = RangeResponse::default();
    while let Some(chunk) = stream.next().await? {
        let chunk = chunk.range_response.unwrap_or_default();
        whole.kvs.extend(chunk.kvs);
        whole.header = chunk.header.or(whole.header);
        whole.more |= chunk.more;
        whole.count = whole.count.max(chunk.count);
    }
    Ok(whole)
}

/// Reads the arguments as a request.
pub(super) fn request(arguments: &Arguments) -> Result<RangeRequest, Exit> {
    if !(1..).contains(&arguments.operands.len()) {
        let message = "get command needs one argument as key and an optional argument as range_end";
        return Err(Exit::bad_arguments(message));
    }
    let (key, range_end) = range(arguments)?;
    if arguments.bool("keys-only") && arguments.bool("count-only") {
        return Err(choose_one("keys-only", "count-only"));
    }
    let serializable = serializable(&arguments.text("consistency"))?;
    let (order, target) = sorting(&arguments.text("order"), &arguments.text("sort-by"))?;
    let positive = |name| arguments.int(name).max(0);
    let request = RangeRequest {
        key,
        range_end,
        limit: arguments.int("limit"),
        revision: positive("rev"),
        sort_order: order.into(),
        sort_target: target.into(),
        serializable,
        keys_only: arguments.bool("keys-only"),
        count_only: arguments.bool("count-only"),
        min_mod_revision: positive("min-mod-rev"),
        max_mod_revision: positive("max-mod-rev"),
        min_create_revision: positive("min-create-rev"),
        max_create_revision: positive("max-create-rev"),
    };
    ordered(
        "CreateRev",
        request.min_create_revision,
        request.max_create_revision,
    )?;
    ordered("ModRev", request.min_mod_revision, request.max_mod_revision)?;
    Ok(request)
}

/// Whether reads of this consistency may come from any member.
pub(super) fn serializable(consistency: &str) -> Result<bool, Exit> {
    match consistency {
        "l" => Ok(false),
        "s" => Ok(true),
        _ => Err(Exit::bad_feature(format!(
            "unknown consistency flag {consistency:?}"
        ))),
    }
}

fn sorting(order: &str, by: &str) -> Result<(SortOrder, SortTarget), Exit> {
    let target = match by.to_uppercase().as_str() {
        "CREATE" => SortTarget::Create,
        "" | "KEY" => SortTarget::Key,
        "MODIFY" => SortTarget::Mod,
        "VALUE" => SortTarget::Value,
        "VERSION" => SortTarget::Version,
        _ => return Err(Exit::bad_feature(format!("bad sort target {by}"))),
    };
    let order_given = match order.to_uppercase().as_str() {
        "" => SortOrder::None,
        "ASCEND" => SortOrder::Ascend,
        "DESCEND" => SortOrder::Descend,
        _ => return Err(Exit::bad_feature(format!("bad sort order {order}"))),
    };
    // Keys come in ascending order anyway; asking for it would only make the member sort.
    if target == SortTarget::Key && order_given == SortOrder::Ascend {
        return Ok((SortOrder::None, target));
    }
    Ok((order_given, target))
}

fn ordered(name: &str, min: i64, max: i64) -> Result<(), Exit> {
    if min > 0 && max > 0 && min > max {
        let message = format!("getMin{name}(={min}) > getMax{name}(={max})");
        return Err(Exit::bad_feature(message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::parse;

    fn check(words: &[&'static str]) -> Result<RangeRequest, String> {
        let words: Vec<_> = words.iter().map(|word| (*word).into()).collect();
        request(&parse(FLAGS, &words).unwrap()).map_err(|exit| exit.message.unwrap())
    }

    /// A range that is read wrong shows, or deletes, other keys than those meant.
    #[test]
    fn ranges_are_those_of_the_flags() {
        let range = |words: &[&'static str]| {
            let request = check(words).unwrap();
            (request.key, request.range_end)
        };
        let pair = |key: &'static str, end: &'static str| (key.into(), end.into());
        assert_eq!(range(&["a"]), pair("a", ""));
        assert_eq!(range(&["a", "c"]), pair("a", "c"));
        assert_eq!(range(&["a", "--prefix"]), pair("a", "b"));
        assert_eq!(range(&["", "--prefix"]), pair("\0", "\0"));
        assert_eq!(range(&["a", "--from-key"]), pair("a", "\0"));
        assert_eq!(range(&["", "--from-key"]), pair("\0", "\0"));
    }

    /// The sort that the member is asked for decides which keys a limit keeps.
    #[test]
    fn sorting_is_asked_for_only_when_needed() {
        let sort = |words: &[&'static str]| {
            let request = check(words).unwrap();
            (request.sort_order(), request.sort_target())
        };
        assert_eq!(sort(&["a"]), (SortOrder::None, SortTarget::Key));
        assert_eq!(
            sort(&["a", "--order=ascend"]),
            (SortOrder::None, SortTarget::Key)
        );
        assert_eq!(
            sort(&["a", "--order=DESCEND"]),
            (SortOrder::Descend, SortTarget::Key)
        );
        assert_eq!(
            sort(&["a", "--sort-by=modify"]),
            (SortOrder::None, SortTarget::Mod)
        );
    }

    /// The texts that upstream's own tests look for.
    #[test]
    fn mistakes_are_named() {
        for (words, message) in [
            (
                &["a", "--consistency", "x"][..],
                "unknown consistency flag \"x\"",
            ),
            (&["a", "--order", "UP"], "bad sort order UP"),
            (&["a", "--sort-by", "FOO"], "bad sort target FOO"),
            (
                &["a", "--min-mod-rev=5", "--max-mod-rev=3"],
                "getMinModRev(=5) > getMaxModRev(=3)",
            ),
            (
                &["a", "--prefix", "--from-key"],
                "`--prefix` and `--from-key` cannot be set at the same time, choose one",
            ),
            (
                &["a", "b", "--prefix"],
                "too many arguments, only accept one argument when `--prefix` or `--from-key` is set",
            ),
        ] {
            assert_eq!(check(words).unwrap_err(), message);
        }
    }
}

//! `txn`: a transaction, read from stdin.
//!
//! Three sections, each ended by a blank line: comparisons, operations when they all hold,
//! operations when one does not. Operations are written like the commands `get`, `put`, `del`.

use std::io::BufRead as _;

use bytes::Bytes;
use proto::etcdserverpb::{
    Compare, RequestOp, TxnRequest,
    compare::{CompareResult, CompareTarget, TargetUnion},
    request_op::Request,
};

use super::operands::none;
use super::{del, get, put};
use crate::exit::{Exit, INVALID_INPUT};
use crate::flags::{self, Command, Flag, Found, Run, group};
use crate::invocation::Invocation;
use crate::print::{self, Answer};
use notation::number;
use notation::quote::{quote, split_words, unquote_prefix};

/// The command.
pub(crate) const COMMAND: Command = Command {
    name: "txn",
    operands: "[options]",
    about: "Runs a transaction that is read from stdin",
    details: "Runs a transaction that is read from stdin.

There are three sections, each ended by an empty line:
1) comparisons,
2) operations that run when all comparisons hold,
3) operations that run when one does not hold.

For example, 'etcdctl txn -i' asks:
  compares:
  mod(\"key1\") > \"0\"

  success requests (get, put, del):
  put key1 \"overwritten\"

  failure requests (get, put, del):
  put key1 \"created\"
  put key2 \"created as well\"

Comparisons are about ver, create, mod, val or lease, with =, !=, < or >.",
    group: group::KEY_VALUE,
    flags: &[Flag::switch("interactive", "ask for each section").short('i')],
    run: Run::Do(|invocation| Box::pin(run(invocation))),
    ..Command::EMPTY
};

/// What operations may be.
static OPERATIONS: Command = Command {
    children: &[get::COMMAND, put::COMMAND, del::COMMAND],
    ..Command::EMPTY
};

async fn run(invocation: Invocation) -> Result<(), Exit> {
    none(
        &invocation.arguments,
        "txn command does not accept argument",
    )?;
    let interactive = invocation.arguments.bool("interactive");
    let prompt = |text: &str| {
        if interactive {
            print::line(text)
        } else {
            Ok(())
        }
    };
    prompt("compares:")?;
    let compare = section(comparison)?;
    prompt("success requests (get, put, del):")?;
    let success = section(operation)?;
    prompt("failure requests (get, put, del):")?;
    let failure = section(operation)?;
    let session = invocation.session()?;
    let client = session.client().await?;
    let request = TxnRequest {
        compare,
        success,
        failure,
    };
    session
        .printer
        .print(&Answer::Txn(client.txn(request).await?))
}

/// Reads lines up to the next blank one; a line that cannot be understood ends the program at
/// once, so that nobody types on in vain.
fn section<T>(understand: impl Fn(&str) -> Result<T, Exit>) -> Result<Vec<T>, Exit> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        let read = read.map_err(|error| invalid(error.to_string()))?;
        if read == 0 || !line.ends_with('\n') {
            return Err(invalid("EOF"));
        }
        match line.trim() {
            "" => return Ok(lines),
            line => lines.push(understand(line)?),
        }
    }
}

fn invalid(message: impl Into<String>) -> Exit {
    Exit::new(INVALID_INPUT, message)
}

/// Reads `target("key") op "value"`.
fn comparison(line: &str) -> Result<Compare, Exit> {
    let malformed = |detail: &str| invalid(format!("malformed comparison: {line}{detail}"));
    let Some((target, rest)) = line.split_once('(') else {
        return Err(malformed(""));
    };
    let got = Scanned::read(rest);
    let Scanned {
        key,
        operator,
        value: Some(value),
    } = got
    else {
        let key = quote(&got.key);
        let operator = got.operator;
        return Err(malformed(&format!("; got {target}({key}) {operator} \"\"")));
    };
    let number = || {
        let text = String::from_utf8_lossy(&value);
        let complaint = |_| invalid(format!("invalid txn compare request: {line}"));
        number::parse_int(&text, 10).map_err(complaint)
    };
    let (target, union) = match target {
        "ver" | "version" => (CompareTarget::Version, TargetUnion::Version(number()?)),
        "c" | "create" => (
            CompareTarget::Create,
            TargetUnion::CreateRevision(number()?),
        ),
        "m" | "mod" => (CompareTarget::Mod, TargetUnion::ModRevision(number()?)),
        "val" | "value" => (
            CompareTarget::Value,
            TargetUnion::Value(value.clone().into()),
        ),
        "lease" => (CompareTarget::Lease, TargetUnion::Lease(number()?)),
        _ => return Err(malformed(&format!(" (unknown target {target})"))),
    };
    let result = match operator.as_str() {
        "=" => CompareResult::Equal,
        "!=" => CompareResult::NotEqual,
        ">" => CompareResult::Greater,
        "<" => CompareResult::Less,
        _ => return Err(malformed(&format!(" (unknown operator {operator})"))),
    };
    Ok(Compare {
        result: result.into(),
        target: target.into(),
        key: key.into(),
        target_union: Some(union),
        ..Compare::default()
    })
}

/// How far `"key") op "value"` could be read.
#[derive(Default)]
struct Scanned {
    key: Vec<u8>,
    operator: String,
    value: Option<Vec<u8>>,
}

impl Scanned {
    fn read(text: &str) -> Self {
        let mut scanned = Self::default();
        let Some((key, rest)) = unquote_prefix(text) else {
            return scanned;
        };
        scanned.key = key;
        let Some(rest) = rest.strip_prefix(") ") else {
            return scanned;
        };
        let rest = rest.trim_start();
        let Some((operator, rest)) = rest.split_once(char::is_whitespace) else {
            return scanned;
        };
        operator.clone_into(&mut scanned.operator);
        scanned.value = unquote_prefix(rest.trim_start()).map(|(value, _)| value);
        scanned
    }
}

/// Reads an operation, which is written like a command.
fn operation(line: &str) -> Result<RequestOp, Exit> {
    let malformed = || invalid(format!("invalid txn request: {line}"));
    let words = split_words(line).ok_or_else(|| invalid("invalid syntax"))?;
    if words.len() < 2 {
        return Err(invalid(format!("invalid txn compare request: {line}")));
    }
    let words: Vec<Bytes> = words.into_iter().map(Bytes::from).collect();
    let found = flags::find(&OPERATIONS, words);
    let command = found.command();
    if found.path.len() < 2 {
        return Err(malformed());
    }
    let arguments = flags::parse(command.flags, &found.words).map_err(|_| {
        let alone = Found {
            path: vec![command],
            words: vec![],
        };
        eprintln!("{}", flags::usage(&alone));
        malformed()
    })?;
    let request = match command.name {
        "get" => Request::RequestRange(get::request(&arguments)?),
        "put" => Request::RequestPut(put::request_in_full(&arguments)?),
        _ => Request::RequestDeleteRange(del::request(&arguments)?),
    };
    Ok(RequestOp {
        request: Some(request),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(line: &str) -> Result<(CompareTarget, CompareResult, Bytes, TargetUnion), String> {
        let compare = comparison(line).map_err(|exit| {
            assert_eq!(exit.code, INVALID_INPUT);
            exit.message.unwrap()
        })?;
        let (target, result) = (compare.target(), compare.result());
        Ok((target, result, compare.key, compare.target_union.unwrap()))
    }

    /// A comparison that is read wrong runs the wrong branch.
    #[test]
    fn comparisons_are_read() {
        use {CompareResult as R, CompareTarget as T, TargetUnion as U};
        for (line, target, result, union) in [
            (r#"mod("k") > "0""#, T::Mod, R::Greater, U::ModRevision(0)),
            (r#"m("k") < "-3""#, T::Mod, R::Less, U::ModRevision(-3)),
            (
                r#"create("k") = "5""#,
                T::Create,
                R::Equal,
                U::CreateRevision(5),
            ),
            (
                r#"c("k")   !=   "5""#,
                T::Create,
                R::NotEqual,
                U::CreateRevision(5),
            ),
            (r#"ver("k") = "1""#, T::Version, R::Equal, U::Version(1)),
            (
                r#"version("\x6b") = `1` x"#,
                T::Version,
                R::Equal,
                U::Version(1),
            ),
            (
                r#"val("k") = "a\nb""#,
                T::Value,
                R::Equal,
                U::Value("a\nb".into()),
            ),
            (r#"lease("k") = "7""#, T::Lease, R::Equal, U::Lease(7)),
        ] {
            assert_eq!(
                check(line).unwrap(),
                (target, result, "k".into(), union),
                "{line}"
            );
        }
    }

    /// The texts by which people find the mistake in a long transaction.
    #[test]
    fn malformed_comparisons_are_shown() {
        for (line, message) in [
            ("mod", "malformed comparison: mod"),
            (
                r#"mod(foo) > "0""#,
                r#"malformed comparison: mod(foo) > "0"; got mod("")  """#,
            ),
            (
                r#"mod("a")="1""#,
                r#"malformed comparison: mod("a")="1"; got mod("a")  """#,
            ),
            (
                r#"mod("a" ) = "1""#,
                r#"malformed comparison: mod("a" ) = "1"; got mod("a")  """#,
            ),
            (
                r#"blah("a") = "1""#,
                r#"malformed comparison: blah("a") = "1" (unknown target blah)"#,
            ),
            (
                r#"mod("a") = "x""#,
                r#"invalid txn compare request: mod("a") = "x""#,
            ),
            (
                r#"mod("a") == "1""#,
                r#"malformed comparison: mod("a") == "1" (unknown operator ==)"#,
            ),
        ] {
            assert_eq!(check(line).unwrap_err(), message);
        }
    }

    /// Operations mean what the commands of the same name mean.
    #[test]
    fn operations_are_commands() {
        let read = |line| operation(line).map(|op| op.request.unwrap());
        match read(r#"put 'a b' "c\n" --prev-kv"#).unwrap() {
            Request::RequestPut(put) => {
                assert_eq!((&put.key[..], &put.value[..]), (&b"a b"[..], &b"c\n"[..]));
                assert!(put.prev_kv);
            }
            other => panic!("{other:?}"),
        }
        match read("ge a --prefix").unwrap() {
            Request::RequestRange(range) => assert_eq!(range.range_end, "b"),
            other => panic!("{other:?}"),
        }
        assert!(matches!(
            read("del a --from-key").unwrap(),
            Request::RequestDeleteRange(_)
        ));
        let refused = |line| operation(line).unwrap_err().message.unwrap();
        assert_eq!(refused("put"), "invalid txn compare request: put");
        assert_eq!(refused("foo a"), "invalid txn request: foo a");
        assert_eq!(refused("get a --hex"), "invalid txn request: get a --hex");
        assert_eq!(refused(r#"put a "\q""#), "invalid syntax");
        assert_eq!(operation("put a").unwrap_err().code, 128);
        assert_eq!(operation("get a --order x").unwrap_err().code, 4);
        assert_eq!(operation("put a b --lease zz").unwrap_err().code, 128);
    }

    proptest! {
        /// Any line is read or refused.
        #[test]
        fn lines_never_panic(line in "[a-z(]{0,8}[\"()=<>! a\\\\]{0,12}") {
            let _ = comparison(&line);
        }
    }
}

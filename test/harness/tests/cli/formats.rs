//! What is read, in every format: both programs ask the same member and print the same.

use std::path::Path;

use harness::Member;

use crate::outcome::Kind::{self, Exact, Numbers};
use crate::{Ctl, Outcome};

/// What members know when they are asked; a line may have input behind `<<<`.
const STATE: &[&str] = &[
    "put foo bar",
    "put foo baz",
    "put bin <<< \x01\t\x7f\"\\'é\n",
    "put dir/a 1",
    "put dir/b 2",
    "del dir/b",
    "put held 1 --lease LEASE",
    "compaction 3",
    "user add root:root",
    "user add alice:secret",
    "user add cert --no-password",
    "role add none",
    "role add some",
    "role grant-permission some read foo",
    "role grant-permission some readwrite dir/ --prefix",
    "role grant-permission some write m z",
    "role grant-permission some read x --from-key",
    "user grant-role alice some",
    "user grant-role alice none",
];

/// What they are asked. `LEASE` is one that has keys, `ID` the member.
const QUESTIONS: &[(Kind, &str)] = &[
    (Exact, "get foo"),
    (Exact, "get none"),
    (Exact, "get '' --prefix"),
    (Exact, "get '' --prefix --keys-only"),
    (Exact, "get '' --prefix --limit 2 --order DESCEND"),
    (Exact, "get '' --prefix --count-only"),
    (Exact, "get '' --prefix --stream"),
    (Exact, "get foo --print-value-only"),
    (Exact, "get foo --rev 3"),
    (Exact, "get foo --rev 2"),
    (Exact, "get held --consistency s"),
    (Exact, "watch foo --rev 2"),
    (Exact, "watch dir/ --prefix --rev 3 -- false"),
    (Exact, "watch dir/ --prefix --rev 3 --prev-kv -- false"),
    (Exact, "lease list"),
    (Numbers, "lease timetolive LEASE --keys"),
    (Numbers, "lease timetolive LEASE"),
    (Exact, "lease timetolive 1 --keys"),
    (Exact, "lease keep-alive LEASE --once"),
    (Exact, "lease keep-alive 1"),
    (Exact, "member list"),
    (Exact, "member list --consistency s"),
    (Exact, "member promote ID"),
    (Exact, "endpoint hashkv"),
    (Exact, "endpoint hashkv --rev 4 --cluster"),
    (Numbers, "endpoint health"),
    (Numbers, "endpoint status"),
    (
        Exact,
        "endpoint hashkv --endpoints 127.0.0.1:1 --command-timeout 200ms",
    ),
    (
        Exact,
        "endpoint status --endpoints 127.0.0.1:1 --command-timeout 200ms",
    ),
    (Exact, "alarm list"),
    (Exact, "alarm disarm"),
    (Exact, "auth status"),
    (Exact, "user list"),
    (Exact, "user get alice"),
    (Exact, "user get alice --detail"),
    (Exact, "role list"),
    (Exact, "role get some"),
    (Exact, "role get root"),
    (Exact, "downgrade validate 3.6"),
    (Exact, "version"),
];

/// What every answer is asked for in; `--hex` changes only some formats.
const FORMATS: &[&str] = &[
    "-w simple",
    "-w json",
    "-w fields",
    "-w table",
    "-w protobuf",
    "-w simple --hex",
    "-w json --hex",
    "-w fields --hex",
];

/// Both programs ask `member`, which may be of either kind; what differs.
pub(crate) fn compare(ours: &Path, theirs: &Path, member: Member) -> Vec<String> {
    let mut ctl = Ctl::on(theirs.to_path_buf(), member);
    let granted = ctl.run("lease grant 10000", "");
    let lease = granted
        .stdout
        .split(' ')
        .nth(1)
        .unwrap_or_default()
        .to_owned();
    let list = ctl.run("member list", "");
    let id = list.stdout.split(',').next().unwrap_or_default().to_owned();
    let full = |line: &str| line.replace("LEASE", &lease).replace("ID", &id);
    for line in STATE {
        let done = ctl.run_line(&full(line));
        assert_eq!(done.code, Some(0), "{line}: {done}");
    }
    let mut differences = Vec::new();
    for (kind, question) in QUESTIONS {
        for format in FORMATS {
            // Flags go before what a watch runs.
            let line = match question.split_once(" -- ") {
                Some((watch, command)) => format!("{watch} {format} -- {command}"),
                None => format!("{question} {format}"),
            };
            let mut ask = |program: &Path| -> Outcome {
                ctl.program = program.to_path_buf();
                ctl.run_line(&full(&line))
            };
            let (got, want) = (ask(ours), ask(theirs));
            if !got.is_like(&want, *kind) {
                differences.push(format!("etcdctl {line}\nours: {got}\ntheirs: {want}"));
            }
        }
    }
    println!("{} answers are the same", QUESTIONS.len() * FORMATS.len());
    differences
}

//! What the two programs are made to do, in order.

use crate::outcome::Kind::{self, Code, Exact, Numbers, Unordered};

/// One command line, and what it reads.
pub(crate) struct Step {
    pub(crate) line: &'static str,
    pub(crate) input: &'static str,
    pub(crate) kind: Kind,
}

const fn step(kind: Kind, line: &'static str) -> Step {
    piped(kind, line, "")
}

const fn piped(kind: Kind, line: &'static str, input: &'static str) -> Step {
    Step { line, input, kind }
}

const TXN: &str =
    "mod(\"foo\") > \"0\"\nvalue(\"foo\") = \"baz\"\n\nput foo then\nget foo\n\nput foo else\n\n";

/// The script. Ids differ between members, and so do times and sizes.
pub(crate) const STEPS: &[Step] = &[
    // Writing and reading.
    step(Exact, "put foo bar"),
    step(Exact, "put foo baz --prev-kv"),
    piped(Exact, "put piped", "from stdin\n"),
    step(Numbers, "put foo baz -w json"),
    step(Exact, "put a 1"),
    step(Exact, "put b 2"),
    step(Exact, "put -- -dash --value"),
    step(Exact, "get foo"),
    step(Exact, "get foo --hex"),
    step(Exact, "get foo --rev 2"),
    step(Exact, "get nothing"),
    step(Exact, "get '' --prefix"),
    step(Exact, "get a c"),
    step(Exact, "get b --from-key --limit 2"),
    step(Exact, "get '' --prefix --keys-only"),
    step(Exact, "get foo --print-value-only"),
    step(Exact, "get '' --prefix --order DESCEND --sort-by MODIFY"),
    step(Exact, "get '' --prefix --min-mod-rev 5 --max-create-rev 6"),
    step(Exact, "get foo --consistency s --stream"),
    step(Numbers, "get foo -w json"),
    step(Numbers, "get foo -w fields"),
    step(Numbers, "get '' --prefix --count-only -w fields"),
    step(Code, "get foo -w protobuf"),
    // What is refused.
    step(Exact, "get"),
    step(Exact, "get a b c"),
    step(Exact, "get a b --prefix"),
    step(Exact, "get a --prefix --from-key"),
    step(Exact, "get a --order UP"),
    step(Exact, "get a --sort-by SIZE"),
    step(Exact, "get a --consistency x"),
    step(Exact, "get a --min-mod-rev 5 --max-mod-rev 3"),
    step(Exact, "get a --rev 1000"),
    step(Exact, "get a --count-only"),
    step(Exact, "get a -w xml"),
    step(Exact, "get a -w table"),
    step(Exact, "get a --print-value-only -w json"),
    step(Exact, "put"),
    step(Exact, "put a 1 --ignore-value"),
    step(Exact, "put none --ignore-value"),
    step(Exact, "put a 1 --lease zz"),
    step(Exact, "put a 1 --lease 12345"),
    step(Exact, "del"),
    step(Exact, "bogus"),
    step(Exact, "get --bogus"),
    step(Exact, "get a --dial-timeout abc"),
    step(Exact, "compaction abc"),
    step(Exact, "txn extra"),
    // Deleting.
    step(Exact, "del b --prev-kv"),
    step(Exact, "del nothing"),
    step(Exact, "del p --prefix"),
    step(Numbers, "del a -w json --prev-kv"),
    // Transactions.
    piped(Exact, "txn", TXN),
    piped(Exact, "txn", TXN),
    piped(Numbers, "txn -w json", TXN),
    piped(
        Exact,
        "txn",
        "create(\"none\") = \"0\"\n\nput fresh \"with blanks\"\n\n\n",
    ),
    piped(Exact, "txn", "nonsense\n\n"),
    piped(Exact, "txn", "\nput\n\n\n"),
    step(Exact, "get fresh"),
    // Leases; their ids are random.
    step(Numbers, "lease grant 100"),
    step(Numbers, "lease grant 100 -w json"),
    step(Numbers, "lease list"),
    step(Exact, "lease revoke 12345"),
    step(Exact, "lease timetolive 12345"),
    step(Exact, "lease keep-alive 12345 --once"),
    step(Exact, "lease grant many"),
    step(Exact, "lease grant"),
    // History.
    step(Exact, "compaction 4"),
    step(Exact, "compaction 4"),
    step(Exact, "compaction 1000"),
    step(Exact, "compaction 6 --physical"),
    step(Exact, "get foo --rev 3"),
    step(Exact, "watch foo --rev 2"),
    // The member.
    step(Numbers, "member list"),
    step(Numbers, "member list -w json"),
    step(Numbers, "member list -w fields"),
    step(Numbers, "member list -w table"),
    step(Numbers, "member list -w json --hex"),
    step(Exact, "member remove zz"),
    step(Exact, "member add"),
    step(Numbers, "endpoint health"),
    step(Numbers, "endpoint health -w json"),
    step(Numbers, "endpoint health -w table"),
    step(Numbers, "endpoint health --cluster"),
    step(Numbers, "endpoint status"),
    step(Numbers, "endpoint status -w json"),
    step(Numbers, "endpoint status -w fields"),
    step(Numbers, "endpoint status -w table"),
    step(Numbers, "endpoint hashkv"),
    step(Numbers, "endpoint hashkv -w json"),
    step(Numbers, "endpoint hashkv -w table --rev 9"),
    step(Numbers, "endpoint hashkv --rev 1000"),
    step(
        Exact,
        "endpoint health --command-timeout 300ms --endpoints 127.0.0.1:1",
    ),
    step(Exact, "alarm list"),
    step(Exact, "alarm disarm"),
    step(Numbers, "defrag"),
    step(Numbers, "defrag --cluster"),
    step(Exact, "move-leader 12345"),
    step(Exact, "move-leader zz"),
    step(Code, "snapshot save snapshot.db"),
    step(Exact, "snapshot save"),
    step(Exact, "version"),
    step(Code, "options"),
    step(Code, "completion bash"),
    step(Code, "completion none"),
    // Locks and elections run a command, or hold until they are told to stop.
    step(Exact, "lock name -- echo locked"),
    step(Exact, "lock name -- false"),
    step(Exact, "lock"),
    step(Exact, "elect"),
    step(Unordered, "get '' --prefix"),
];

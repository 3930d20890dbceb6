//! No sequence of messages, however absurd, makes a member panic.

use bytes::Bytes;
use proptest::prelude::*;
use raft::{CAMPAIGN_TRANSFER, ConfChange, Config, Message, MessageKind, Raft, Restored, Snapshot};
use types::{ConfState, Entry, EntryKind, Index, MemberId, SnapshotMark, Term};

use crate::world::conf;

/// Mostly small, so that messages fit together; sometimes at the edges.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        12 => 0u64..6,
        4 => 0u64..20,
        1 => Just(u64::MAX),
        1 => Just(1 << 62),
    ]
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let entry = |(index, term, kind): (u64, u64, u8)| Entry {
        kind: [
            EntryKind::Normal,
            EntryKind::ConfChange,
            EntryKind::ConfChangeV2,
        ][usize::from(kind)],
        term: Term(term),
        index: Index(index),
        data: Bytes::from_static(b"data"),
    };
    let random = prop::collection::vec((number(), number(), 0u8..3).prop_map(entry), 0..3);
    let contiguous =
        (0u64..6, 0u64..6, 0u64..4, 0u8..3).prop_map(move |(from, term, count, kind)| {
            (from + 1..=from + count)
                .map(|index| entry((index, term, kind)))
                .collect()
        });
    prop_oneof![1 => random, 3 => contiguous]
}

fn any_conf() -> impl Strategy<Value = ConfState> {
    let ids = || prop::collection::vec((0u64..5).prop_map(MemberId), 0..4);
    (ids(), ids(), ids(), ids(), any::<bool>()).prop_map(
        |(voters, learners, voters_outgoing, learners_next, auto_leave)| ConfState {
            voters,
            learners,
            voters_outgoing,
            learners_next,
            auto_leave,
        },
    )
}

fn snapshot() -> impl Strategy<Value = Option<Box<Snapshot>>> {
    let plain = Just(conf(&[1, 2, 3], &[4]));
    let mark = (
        number(),
        number(),
        prop_oneof![plain.boxed(), any_conf().boxed()],
        any::<bool>(),
    );
    prop::option::of(mark.prop_map(|(index, term, conf, has_conf)| {
        let mark = SnapshotMark {
            index: Index(index),
            term: Term(term),
            conf: has_conf.then_some(conf),
        };
        Box::new(Snapshot {
            mark,
            data: Bytes::new(),
        })
    }))
}

fn message() -> impl Strategy<Value = Message> {
    let kinds: Vec<MessageKind> = (0..30).filter_map(MessageKind::from_wire).collect();
    let contexts = vec![
        Bytes::new(),
        Bytes::from_static(CAMPAIGN_TRANSFER),
        Bytes::from_static(&[1, 0, 0, 0, 0, 0, 0, 0]),
        Bytes::from_static(b"odd"),
    ];
    let head = (
        prop::sample::select(kinds),
        0u64..6,
        number(),
        number(),
        number(),
        number(),
    );
    let tail = (
        entries(),
        snapshot(),
        any::<bool>(),
        number(),
        prop::sample::select(contexts),
    );
    (head, tail).prop_map(
        |(
            (kind, from, term, log_term, index, commit),
            (entries, snapshot, reject, hint, context),
        )| {
            Message {
                kind,
                to: MemberId(1),
                from: MemberId(from),
                term: Term(term),
                log_term: Term(log_term),
                // What follows a position should often fit it.
                index: match entries.first() {
                    Some(entry) if index % 4 != 0 => Index(entry.index.0.saturating_sub(1)),
                    _ => Index(index),
                },
                entries,
                commit: Index(commit),
                snapshot,
                reject,
                reject_hint: Index(hint),
                context,
            }
        },
    )
}

#[derive(Clone, Debug)]
enum Input {
    Message(Box<Message>),
    Tick(u8),
    Campaign,
    Propose,
    Change,
    Read,
    Transfer(u64),
    Work,
    Compact(u64),
    Report(u64, bool),
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        12 => message().prop_map(|message| Input::Message(Box::new(message))),
        1 => (1u8..30).prop_map(Input::Tick),
        2 => Just(Input::Campaign),
        1 => Just(Input::Propose),
        1 => Just(Input::Change),
        1 => Just(Input::Read),
        1 => (0u64..6).prop_map(Input::Transfer),
        4 => Just(Input::Work),
        1 => (0u64..20).prop_map(Input::Compact),
        1 => (0u64..6, any::<bool>()).prop_map(|(id, ok)| Input::Report(id, ok)),
    ]
}

/// Answers everything once, as a shell would.
fn work(raft: &mut Raft) {
    let effects = raft.effects();
    if let Some(write) = effects.write {
        raft.persisted(write.ticket);
        if let Some(snapshot) = write.snapshot {
            raft.applied(snapshot.mark.index);
            return;
        }
    }
    for entry in effects.committed {
        if entry.kind != EntryKind::Normal {
            raft.apply_conf_change(&ConfChange::leave()).ok();
        }
        raft.applied(entry.index);
    }
}

fn feed(raft: &mut Raft, input: Input) {
    match input {
        Input::Message(message) => raft.step(*message).unwrap_or_default(),
        Input::Tick(count) => (0..count).for_each(|_| raft.tick()),
        Input::Campaign => {
            raft.campaign();
            // The answers that make it lead.
            work(raft);
            for kind in [MessageKind::PreVoteResponse, MessageKind::VoteResponse] {
                let term = match kind {
                    MessageKind::PreVoteResponse => Term(raft.term().0 + 1),
                    _ => raft.term(),
                };
                let from = MemberId(2);
                let yes = Message {
                    kind,
                    from,
                    to: MemberId(1),
                    term,
                    ..Message::default()
                };
                raft.step(yes).unwrap_or_default();
                work(raft);
            }
        }
        Input::Propose => raft
            .propose(vec![Bytes::from_static(b"p")])
            .unwrap_or_default(),
        Input::Change => raft
            .propose_conf_change(EntryKind::ConfChange, Bytes::new())
            .unwrap_or_default(),
        Input::Read => raft
            .read_index(Bytes::from_static(b"r"))
            .unwrap_or_default(),
        Input::Transfer(to) => raft.transfer_leader(MemberId(to)).unwrap_or_default(),
        Input::Work => work(raft),
        Input::Compact(index) => raft.compact(Index(index)),
        Input::Report(id, ok) => {
            raft.report_unreachable(MemberId(id));
            raft.report_gone(MemberId(id));
            raft.report_snapshot(MemberId(id), ok);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..Default::default() })]

    /// One crafted or damaged message must not take a member down.
    #[test]
    fn no_message_panics(
        inputs in prop::collection::vec(input(), 1..60), pre_vote: bool, check_quorum: bool,
    ) {
        let restored = Restored { conf: conf(&[1, 2, 3], &[4]), ..Restored::default() };
        let config = Config { pre_vote, check_quorum, ..Config::new(MemberId(1), 1) };
        let mut raft = Raft::new(config, restored).unwrap();
        for input in inputs {
            feed(&mut raft, input);
        }
        work(&mut raft);
    }
}

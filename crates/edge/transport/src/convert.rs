//! Messages of consensus and messages of the wire.

use raft::{Message, MessageKind, Snapshot};

/// The message as it is sent.
pub(crate) fn to_wire(message: Message) -> peer::Message {
    peer::Message {
        kind: message.kind.to_wire(),
        to: message.to,
        from: message.from,
        term: message.term,
        log_term: message.log_term,
        index: message.index,
        entries: message.entries,
        commit: message.commit,
        snapshot: message.snapshot.map(|snapshot| peer::Snapshot {
            mark: snapshot.mark,
            data: snapshot.data,
        }),
        reject: message.reject,
        reject_hint: message.reject_hint,
        context: message.context,
    }
}

/// The message for consensus; none when it is of a type that no peer has business to send.
pub(crate) fn from_wire(message: peer::Message) -> Option<Message> {
    Some(Message {
        kind: MessageKind::from_wire(message.kind)?,
        to: message.to,
        from: message.from,
        term: message.term,
        log_term: message.log_term,
        index: message.index,
        entries: message.entries,
        commit: message.commit,
        snapshot: message.snapshot.map(|snapshot| {
            Box::new(Snapshot {
                mark: snapshot.mark,
                data: snapshot.data,
            })
        }),
        reject: message.reject,
        reject_hint: message.reject_hint,
        context: message.context,
    })
}

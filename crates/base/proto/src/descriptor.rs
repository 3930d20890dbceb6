//! What the messages of the services are made of, for whoever speaks another language than protobuf.
//!
//! Tables made from the `.proto` files like the code itself; the fields of a message stand in the
//! order of the file.

/// A message.
#[derive(Debug)]
pub struct Message {
    /// With its package: `etcdserverpb.RangeRequest`.
    pub name: &'static str,
    /// In the order of the file.
    pub fields: &'static [Field],
}

/// A field of a message.
#[derive(Debug)]
pub struct Field {
    /// As in the file: `create_revision`.
    pub name: &'static str,
    /// In JSON, for those who spell it so: `createRevision`.
    pub json_name: &'static str,
    /// On the wire.
    pub number: u32,
    /// What a value of it is.
    pub kind: Kind,
    /// Whether there may be many.
    pub repeated: bool,
    /// Which of the message's groups it belongs to, if only one field of a group may be set.
    pub oneof: Option<u8>,
}

/// What a value is.
#[derive(Clone, Copy)]
pub enum Kind {
    /// `bool`
    Bool,
    /// `int32`
    Int32,
    /// `int64`
    Int64,
    /// `uint32`
    Uint32,
    /// `uint64`
    Uint64,
    /// `bytes`
    Bytes,
    /// `string`
    Text,
    /// A number with names.
    Enum(&'static Enum),
    /// A message inside the message.
    Message(&'static Message),
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Messages contain each other: only their names end.
        f.write_str(match self {
            Self::Bool => "bool",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Bytes => "bytes",
            Self::Text => "string",
            Self::Enum(described) => described.name,
            Self::Message(described) => described.name,
        })
    }
}

/// A number with names.
#[derive(Debug)]
pub struct Enum {
    /// With its package and message: `etcdserverpb.RangeRequest.SortOrder`.
    pub name: &'static str,
    /// The names and their numbers; the first is the default.
    pub values: &'static [(&'static str, i32)],
}

/// What a method takes and answers.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    /// The request, or each of the requests.
    pub request: &'static Message,
    /// The answer, or each of the answers.
    pub answer: &'static Message,
}

/// The signatures of all methods, in the order of [`METHODS`](crate::METHODS).
pub use table::SIGNATURES;

#[allow(missing_docs, reason = "generated")]
mod table {
    use super::{Enum, Field, Kind, Message, Signature};
    include!("gen/descriptors.rs");
}

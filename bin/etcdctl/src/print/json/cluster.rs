//! Member lists as JSON. With `--hex`, IDs are hexadecimal texts.

use proto::etcdserverpb::{Member, MemberAddResponse, ResponseHeader};

use super::writer::{Object, Writer};

pub(super) fn add(writer: &mut Writer, add: &MemberAddResponse, hex: bool) {
    writer.object(|object| {
        header(object, add.header.as_ref(), hex);
        if let Some(added) = &add.member {
            member(object.key("member"), added, hex);
        }
        object.array_set("members", &add.members, |writer, item| {
            member(writer, item, hex)
        });
    });
}

pub(super) fn members(
    writer: &mut Writer,
    of: Option<&ResponseHeader>,
    members: &[Member],
    hex: bool,
) {
    writer.object(|object| {
        header(object, of, hex);
        object.array_set("members", members, |writer, item| member(writer, item, hex));
    });
}

fn header(object: &mut Object<'_>, header: Option<&ResponseHeader>, hex: bool) {
    let Some(header) = header else { return };
    object.object("header", |object| {
        id(object, "cluster_id", header.cluster_id, hex);
        id(object, "member_id", header.member_id, hex);
        object.number_set("revision", header.revision);
        object.number_set("raft_term", header.raft_term);
    });
}

fn member(writer: &mut Writer, member: &Member, hex: bool) {
    writer.object(|object| {
        id(object, "ID", member.id, hex);
        object.text_set("name", &member.name);
        object.array_set("peerURLs", &member.peer_ur_ls, |writer, url| {
            writer.text(url)
        });
        object.array_set("clientURLs", &member.client_ur_ls, |writer, url| {
            writer.text(url)
        });
        object.bool_set("isLearner", member.is_learner);
    });
}

fn id(object: &mut Object<'_>, key: &str, id: u64, hex: bool) {
    if hex {
        object.text(key, &format!("{id:x}"));
    } else {
        object.number_set(key, id);
    }
}

//! The simple format: text for people, and for scripts that split it at blanks and commas.

use std::fmt::Write as _;

use notation::size;
use proto::authpb::{Permission, permission};
use proto::etcdserverpb::{
    AlarmMember, AlarmType, LeaseTimeToLiveResponse, Member, StatusResponse, TxnResponse,
    response_op::Response,
};
use proto::mvccpb::{KeyValue, event::EventType};

use super::answer::{Answer, DowngradeStep, Endpoint, Shown};

/// Writes an answer as text.
pub(super) fn render(answer: &Answer, hex: bool) -> Vec<u8> {
    let mut out = Text {
        out: Vec::new(),
        hex,
    };
    out.answer(answer);
    out.out
}

struct Text {
    out: Vec<u8>,
    hex: bool,
}

impl Text {
    fn answer(&mut self, answer: &Answer) {
        match answer {
            Answer::Range(range, shown) => {
                for kv in &range.kvs {
                    self.pair(kv, *shown);
                }
            }
            Answer::Put(put) => {
                self.line("OK");
                self.pairs(&put.prev_kv);
            }
            Answer::Delete(delete) => {
                self.line(&delete.deleted.to_string());
                self.pairs(&delete.prev_kvs);
            }
            Answer::Txn(txn) => self.txn(txn),
            Answer::Watch(watch) => {
                for event in &watch.events {
                    let delete = event.r#type == i32::from(EventType::Delete);
                    self.line(if delete { "DELETE" } else { "PUT" });
                    self.pairs(&event.prev_kv);
                    self.pairs(&event.kv);
                }
            }
            Answer::LeaseTimeToLive(ttl, keys) => self.time_to_live(ttl, *keys),
            Answer::UserGet(..)
            | Answer::RoleGet(..)
            | Answer::UserList(_)
            | Answer::RoleList(_) => {
                self.auth(answer);
            }
            Answer::MemberAdd(_, environment) => {
                self.line(&sentence(answer));
                self.out.extend_from_slice(environment.as_bytes());
            }
            Answer::LeaseList(list) => {
                self.line(&format!("found {} leases", list.leases.len()));
                for lease in &list.leases {
                    self.line(&format!("{:016x}", lease.id));
                }
            }
            Answer::MemberList(list) => {
                for item in &list.members {
                    self.line(&member(item).join(", "));
                }
            }
            Answer::Status(list) => {
                for item in list {
                    self.line(&endpoint(item).join(", "));
                }
            }
            Answer::HashKv(list) => {
                for of in list {
                    let hash = &of.answer;
                    self.line(&format!(
                        "{}, {}, {}",
                        of.endpoint, hash.hash, hash.hash_revision
                    ));
                }
            }
            Answer::Alarms(list) => {
                for item in &list.alarms {
                    self.line(&alarm(item));
                }
            }
            _ => self.line(&sentence(answer)),
        }
    }

    fn line(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(b'\n');
    }

    fn pairs<'a>(&mut self, pairs: impl IntoIterator<Item = &'a KeyValue>) {
        for kv in pairs {
            self.pair(kv, Shown::Both);
        }
    }

    fn pair(&mut self, kv: &KeyValue, shown: Shown) {
        if shown == Shown::Both {
            self.bytes(&kv.key);
        }
        self.bytes(&kv.value);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if self.hex {
            let hex: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
            return self.line(&hex);
        }
        self.out.extend_from_slice(bytes);
        self.out.push(b'\n');
    }

    fn txn(&mut self, txn: &TxnResponse) {
        self.line(if txn.succeeded { "SUCCESS" } else { "FAILURE" });
        for operation in &txn.responses {
            self.line("");
            match &operation.response {
                Some(Response::ResponseRange(range)) => self.pairs(&range.kvs),
                Some(Response::ResponsePut(put)) => self.answer(&Answer::Put(put.clone())),
                Some(Response::ResponseDeleteRange(delete)) => {
                    self.answer(&Answer::Delete(delete.clone()));
                }
                Some(Response::ResponseTxn(nested)) => self.txn(nested),
                None => {}
            }
        }
    }

    fn time_to_live(&mut self, ttl: &LeaseTimeToLiveResponse, keys: bool) {
        if ttl.granted_ttl == 0 && ttl.ttl == -1 {
            return self.line(&format!("lease {:016x} already expired", ttl.id));
        }
        let text = format!(
            "lease {:016x} granted with TTL({}s), remaining({}s)",
            ttl.id, ttl.granted_ttl, ttl.ttl
        );
        self.out.extend_from_slice(text.as_bytes());
        if keys {
            self.out.extend_from_slice(b", attached keys([");
            self.out.extend_from_slice(&ttl.keys.join(&b' '));
            self.out.extend_from_slice(b"])");
        }
        self.line("");
    }

    fn auth(&mut self, answer: &Answer) {
        match answer {
            Answer::UserGet(name, user) => {
                self.line(&format!("User: {name}"));
                let roles = user.roles.iter().map(|role| format!(" {role}"));
                self.line(&format!("Roles:{}", roles.collect::<String>()));
            }
            Answer::UserList(list) => list.users.iter().for_each(|user| self.line(user)),
            Answer::RoleList(list) => list.roles.iter().for_each(|role| self.line(role)),
            Answer::RoleGet(name, role) => {
                self.line(&format!("Role {name}"));
                let root = name == "root";
                self.permissions("KV Read:", &role.perm, permission::Type::Write, root);
                self.permissions("KV Write:", &role.perm, permission::Type::Read, root);
            }
            _ => {}
        }
    }

    /// Lists the ranges of all permissions but those of kind `other`.
    fn permissions(
        &mut self,
        title: &str,
        all: &[Permission],
        other: permission::Type,
        root: bool,
    ) {
        self.line(title);
        if root && all.is_empty() {
            self.line("\t[, <open ended>");
        }
        for one in all.iter().filter(|one| one.perm_type() != other) {
            self.out.push(b'\t');
            self.out.extend_from_slice(&range(&one.key, &one.range_end));
            self.line("");
        }
    }
}

/// A permission's range as text.
pub(crate) fn range(key: &[u8], end: &[u8]) -> Vec<u8> {
    match end {
        b"" => key.to_vec(),
        b"\0" => [b"[", key, b", <open ended>"].concat(),
        _ => {
            let range = [b"[", key, b", ", end, b")"].concat();
            if client::prefix_end(key) == end {
                return [&range, &b" (prefix "[..], key, b")"].concat();
            }
            range
        }
    }
}

/// The cells of a member's line.
pub(super) fn member(member: &Member) -> Vec<String> {
    let started = if member.name.is_empty() {
        "unstarted"
    } else {
        "started"
    };
    vec![
        format!("{:x}", member.id),
        started.to_owned(),
        member.name.clone(),
        member.peer_ur_ls.join(","),
        member.client_ur_ls.join(","),
        member.is_learner.to_string(),
    ]
}

/// The cells of an endpoint's status line.
pub(super) fn endpoint(of: &Endpoint<StatusResponse>) -> Vec<String> {
    let status = &of.answer;
    let id = status.header.unwrap_or_default().member_id;
    let downgrade = status.downgrade_info.clone().unwrap_or_default();
    vec![
        of.endpoint.clone(),
        format!("{id:x}"),
        status.version.clone(),
        status.storage_version.clone(),
        size::human(status.db_size.max(0).unsigned_abs()),
        size::human(status.db_size_in_use.max(0).unsigned_abs()),
        unused(status),
        size::human(status.db_size_quota.max(0).unsigned_abs()),
        (status.leader == id).to_string(),
        status.is_learner.to_string(),
        status.raft_term.to_string(),
        status.raft_index.to_string(),
        status.raft_applied_index.to_string(),
        status.errors.join(", "),
        downgrade.target_version,
        downgrade.enabled.to_string(),
    ]
}

/// The share of the file that is free, in percent.
fn unused(status: &StatusResponse) -> String {
    let (size, used) = (
        i128::from(status.db_size),
        i128::from(status.db_size_in_use),
    );
    let share = if size > 0 { 100 - used * 100 / size } else { 0 };
    format!("{share}%")
}

/// An alarm in protobuf's text form.
fn alarm(alarm: &AlarmMember) -> String {
    let mut parts = Vec::new();
    if alarm.member_id != 0 {
        parts.push(format!("memberID:{}", alarm.member_id));
    }
    if alarm.alarm != i32::from(AlarmType::None) {
        parts.push(format!("alarm:{}", alarm.alarm().as_str_name()));
    }
    parts.join(" ")
}

/// Answers that are one line.
fn sentence(answer: &Answer) -> String {
    match answer {
        Answer::LeaseGrant(grant) => {
            format!("lease {:016x} granted with TTL({}s)", grant.id, grant.ttl)
        }
        Answer::LeaseRevoke(id, _) => format!("lease {id:016x} revoked"),
        Answer::LeaseKeepAlive(alive) => {
            format!("lease {:016x} keepalived with TTL({})", alive.id, alive.ttl)
        }
        Answer::MemberAdd(add, _) => {
            let member = add.member.clone().unwrap_or_default();
            let learner = if member.is_learner { " as learner" } else { "" };
            let cluster = add.header.unwrap_or_default().cluster_id;
            format!(
                "Member {:16x} added{learner} to cluster {cluster:16x}",
                member.id
            )
        }
        Answer::MemberRemove(id, remove) => {
            let cluster = remove.header.unwrap_or_default().cluster_id;
            format!("Member {id:16x} removed from cluster {cluster:16x}")
        }
        Answer::MemberUpdate(id, update) => {
            let cluster = update.header.unwrap_or_default().cluster_id;
            format!("Member {id:16x} updated in cluster {cluster:16x}")
        }
        Answer::MemberPromote(id, promote) => {
            let cluster = promote.header.unwrap_or_default().cluster_id;
            format!("Member {id:16x} promoted in cluster {cluster:16x}")
        }
        Answer::MoveLeader(from, to, _) => {
            format!("Leadership transferred from {from:x} to {to:x}")
        }
        Answer::Downgrade(step, downgrade) => {
            let step = match step {
                DowngradeStep::Validate => "validate",
                DowngradeStep::Enable => "enable",
                DowngradeStep::Cancel => "cancel",
            };
            format!(
                "Downgrade {step} success, cluster version {}",
                downgrade.version
            )
        }
        _ => auth_sentence(answer),
    }
}

fn auth_sentence(answer: &Answer) -> String {
    match answer {
        Answer::AuthStatus(status) => {
            let mut text = format!("Authentication Status: {}", status.enabled);
            // Writing to a string cannot fail.
            let _ = write!(text, "\nAuthRevision: {}", status.auth_revision);
            text
        }
        Answer::UserAdd(user, _) => format!("User {user} created"),
        Answer::UserDelete(user, _) => format!("User {user} deleted"),
        Answer::UserPassword(_) => "Password updated".to_owned(),
        Answer::UserGrantRole(user, role, _) => format!("Role {role} is granted to user {user}"),
        Answer::UserRevokeRole(user, role, _) => {
            format!("Role {role} is revoked from user {user}")
        }
        Answer::RoleAdd(role, _) => format!("Role {role} created"),
        Answer::RoleDelete(role, _) => format!("Role {role} deleted"),
        Answer::RoleGrantPermission(role, _) => format!("Role {role} updated"),
        Answer::RoleRevokePermission(role, range, _) => {
            format!("Permission of {range} is revoked from role {role}")
        }
        _ => String::new(),
    }
}

//! What stands in a name server's answer.

use simple_dns::rdata::{OPT, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};

use crate::record::Target;

/// What fits into a datagram that no router takes apart.
pub(crate) const DATAGRAM_BYTES: u16 = 1232;

/// What an answer means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The records of the name; at least one.
    Found(Vec<Target>),
    /// There are none.
    Absent,
    /// There are more than a datagram holds.
    Truncated,
    /// The server cannot tell.
    Failed,
    /// It is the answer to something else.
    Strange,
}

/// The question for a name's SRV records; none for what cannot be a name.
pub(crate) fn question(id: u16, name: &str) -> Option<Vec<u8>> {
    let asked = Name::new(name).ok()?;
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let kind = QTYPE::TYPE(TYPE::SRV);
    let class = QCLASS::CLASS(CLASS::IN);
    packet
        .questions
        .push(Question::new(asked, kind, class, false));
    *packet.opt_mut() = Some(OPT {
        udp_packet_size: DATAGRAM_BYTES,
        version: 0,
        opt_codes: Vec::new(),
    });
    packet.build_bytes_vec().ok()
}

/// Reads the answer to a question.
pub(crate) fn read(id: u16, name: &str, bytes: &[u8]) -> Answer {
    let Ok(packet) = Packet::parse(bytes) else {
        return Answer::Strange;
    };
    let asked = |question: &Question<'_>| is_same(&question.qname, name);
    if packet.id() != id
        || !packet.has_flags(PacketFlag::RESPONSE)
        || !packet.questions.first().is_some_and(asked)
    {
        return Answer::Strange;
    }
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return Answer::Truncated;
    }
    match packet.rcode() {
        RCODE::NoError => targets(&packet),
        RCODE::NameError => Answer::Absent,
        _ => Answer::Failed,
    }
}

/// All SRV records: those under another name are what an alias led to.
fn targets(packet: &Packet<'_>) -> Answer {
    let target = |data: &RData<'_>| match data {
        RData::SRV(record) => Some(Target {
            host: record.target.to_string().trim_end_matches('.').to_owned(),
            port: record.port,
            priority: record.priority,
            weight: record.weight,
        }),
        _ => None,
    };
    let records = packet.answers.iter();
    let mut found: Vec<Target> = records.filter_map(|record| target(&record.rdata)).collect();
    // A lone dot says that the service is not there.
    found.retain(|target| !target.host.is_empty());
    found.sort_by_key(|target| (target.priority, std::cmp::Reverse(target.weight)));
    match found.is_empty() {
        true => Answer::Absent,
        false => Answer::Found(found),
    }
}

fn is_same(found: &Name<'_>, asked: &str) -> bool {
    let found = found.to_string();
    found
        .trim_end_matches('.')
        .eq_ignore_ascii_case(asked.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use simple_dns::ResourceRecord;
    use simple_dns::rdata::SRV;

    use super::*;

    const NAME: &str = "_etcd-client._tcp.example.test";

    fn reply(targets: &[(&str, u16, u16, u16)]) -> Packet<'static> {
        let mut packet = Packet::new_reply(7);
        let (name, kind) = (Name::new(NAME).unwrap(), QTYPE::TYPE(TYPE::SRV));
        let asked = Question::new(name, kind, QCLASS::CLASS(CLASS::IN), false);
        packet.questions.push(asked);
        for (host, port, priority, weight) in targets {
            let record = SRV {
                priority: *priority,
                weight: *weight,
                port: *port,
                target: Name::new(host).unwrap().into_owned(),
            };
            let name = Name::new(NAME).unwrap();
            let record = ResourceRecord::new(name, CLASS::IN, 60, RData::SRV(record));
            packet.answers.push(record);
        }
        packet
    }

    fn told(packet: &Packet<'_>) -> Answer {
        read(7, NAME, &packet.build_bytes_vec_compressed().unwrap())
    }

    /// The records come in the order in which they are to be tried.
    #[test]
    fn records_are_read() {
        let packet = reply(&[
            ("c.test", 3, 2, 9),
            ("a.test", 1, 1, 1),
            ("b.test", 2, 1, 5),
            (".", 0, 0, 0),
        ]);
        let Answer::Found(targets) = told(&packet) else {
            panic!("records are not found");
        };
        let hosts: Vec<&str> = targets.iter().map(|target| &*target.host).collect();
        assert_eq!(hosts, ["b.test", "a.test", "c.test"]);
        assert_eq!(targets[0].port, 2);
    }

    /// What is no answer to the question must not be taken for one.
    #[test]
    fn what_is_not_found() {
        let empty = reply(&[]);
        assert_eq!(told(&empty), Answer::Absent);
        let mut absent = reply(&[]);
        *absent.rcode_mut() = RCODE::NameError;
        assert_eq!(told(&absent), Answer::Absent);
        let mut failed = reply(&[]);
        *failed.rcode_mut() = RCODE::ServerFailure;
        assert_eq!(told(&failed), Answer::Failed);
        let mut cut = reply(&[("a.test", 1, 1, 1)]);
        cut.set_flags(PacketFlag::TRUNCATION);
        assert_eq!(told(&cut), Answer::Truncated);
        let found = reply(&[("a.test", 1, 1, 1)]).build_bytes_vec().unwrap();
        assert_eq!(read(8, NAME, &found), Answer::Strange);
        assert_eq!(read(7, "other.test", &found), Answer::Strange);
        assert_eq!(read(7, NAME, &question(7, NAME).unwrap()), Answer::Strange);
        assert_eq!(question(7, &"x".repeat(70)), None);
    }

    proptest! {
        /// A name server, or who pretends to be one, must not be able to stop a member.
        #[test]
        fn any_bytes(bytes: Vec<u8>, at: usize, value: u8) {
            let _ = read(7, NAME, &bytes);
            let mut found = reply(&[("a.test", 1, 1, 1)]).build_bytes_vec().unwrap();
            let at = at % found.len();
            found[at] = value;
            let _ = read(7, NAME, &found);
        }
    }
}

//! Alarms: raised per member and kind, effective for the whole cluster.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, Bytes};
use prost::Message;
use proto::etcdserverpb::alarm_request::AlarmAction;
use proto::etcdserverpb::{AlarmMember, AlarmRequest, AlarmType};

use crate::response::Rejected;

/// The active alarms, keyed by kind and member as the API numbers them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alarms(BTreeSet<(i32, u64)>);

/// What an alarm request changed and what it answers.
pub(crate) struct AlarmOutcome {
    /// The alarms listed, raised or cleared.
    pub(crate) alarms: Vec<AlarmMember>,
    /// The bucket entry to write or, for a cleared alarm, to remove.
    pub(crate) change: Option<(Bytes, Option<Bytes>)>,
}

impl Alarms {
    /// Reads the `alarm` bucket; entries that do not decode are left out.
    #[must_use]
    pub fn load(bucket: &BTreeMap<Bytes, Bytes>) -> Self {
        let members = bucket
            .keys()
            .filter_map(|key| AlarmMember::decode(key.chunk()).ok());
        Self(
            members
                .map(|member| (member.alarm, member.member_id))
                .collect(),
        )
    }

    /// Whether an alarm of this kind is active anywhere.
    #[must_use]
    pub fn is_active(&self, kind: AlarmType) -> bool {
        self.of_kind(kind as i32).next().is_some()
    }

    /// Whether no alarm is active: the common case, checked for every request.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All alarms, by kind and member.
    #[must_use]
    pub fn list(&self) -> Vec<AlarmMember> {
        self.0.iter().map(member).collect()
    }

    fn of_kind(&self, kind: i32) -> impl Iterator<Item = &(i32, u64)> {
        self.0.range((kind, u64::MIN)..=(kind, u64::MAX))
    }

    /// Carries out a request.
    pub(crate) fn apply(&mut self, request: &AlarmRequest) -> Result<AlarmOutcome, Rejected> {
        let action =
            AlarmAction::try_from(request.action).map_err(|_| Rejected::UnknownAlarmAction)?;
        let alarm = (request.alarm, request.member_id);
        let is_none = request.alarm == AlarmType::None as i32;
        let listed = |alarms| AlarmOutcome {
            alarms,
            change: None,
        };
        Ok(match action {
            AlarmAction::Get if is_none => listed(self.list()),
            AlarmAction::Get => listed(self.of_kind(request.alarm).map(member).collect()),
            _ if is_none => listed(Vec::new()),
            AlarmAction::Activate if self.0.insert(alarm) => AlarmOutcome {
                alarms: vec![member(&alarm)],
                change: Some((key(&alarm), Some(Bytes::new()))),
            },
            AlarmAction::Activate => listed(vec![member(&alarm)]),
            AlarmAction::Deactivate if self.0.remove(&alarm) => AlarmOutcome {
                alarms: vec![member(&alarm)],
                change: Some((key(&alarm), None)),
            },
            AlarmAction::Deactivate => listed(Vec::new()),
        })
    }
}

fn member(&(alarm, member_id): &(i32, u64)) -> AlarmMember {
    AlarmMember { member_id, alarm }
}

fn key(alarm: &(i32, u64)) -> Bytes {
    member(alarm).encode_to_vec().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(action: i32, member_id: u64, alarm: i32) -> AlarmRequest {
        AlarmRequest {
            action,
            member_id,
            alarm,
        }
    }

    /// A lost alarm would let writes through on a full disk; a stuck one would refuse them for ever.
    #[test]
    fn raised_listed_cleared() {
        let mut alarms = Alarms::default();
        let raised = alarms.apply(&request(1, 5, 1)).unwrap();
        let (key, value) = raised.change.unwrap();
        assert_eq!(
            (&key[..], value),
            (&b"\x08\x05\x10\x01"[..], Some(Bytes::new()))
        );
        assert!(alarms.is_active(AlarmType::Nospace) && !alarms.is_active(AlarmType::Corrupt));
        assert!(alarms.apply(&request(1, 5, 1)).unwrap().change.is_none());
        assert_eq!(
            Alarms::load(&BTreeMap::from([(key.clone(), Bytes::new())])),
            alarms
        );
        assert_eq!(alarms.apply(&request(0, 0, 0)).unwrap().alarms.len(), 1);
        assert_eq!(alarms.apply(&request(0, 0, 2)).unwrap().alarms, []);
        assert_eq!(alarms.apply(&request(2, 6, 1)).unwrap().alarms, []);
        assert_eq!(
            alarms.apply(&request(2, 5, 1)).unwrap().change,
            Some((key, None))
        );
        assert_eq!(alarms, Alarms::default());
        assert_eq!(
            alarms.apply(&request(7, 5, 1)).err(),
            Some(Rejected::UnknownAlarmAction)
        );
    }
}

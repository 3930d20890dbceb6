//! What the proxies do to the bytes that pass.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Weather;

/// What a retransmission costs a byte stream, as Linux begins it.
const RETRANSMISSION: Duration = Duration::from_millis(200);

/// The state of all links.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    cut: BTreeSet<(usize, usize)>,
    weather: BTreeMap<usize, Weather>,
    width: BTreeMap<usize, u64>,
}

impl Rules {
    pub(super) fn set_reach(&mut self, from: usize, to: usize, reaches: bool) {
        match reaches {
            true => self.cut.remove(&(from, to)),
            false => self.cut.insert((from, to)),
        };
    }

    pub(super) fn set_weather(&mut self, place: usize, weather: Weather) {
        self.weather.insert(place, weather);
    }

    pub(super) fn set_width(&mut self, place: usize, bytes_per_second: u64) {
        self.width.insert(place, bytes_per_second);
    }

    /// Whether bytes pass.
    pub(super) fn is_open(&self, from: usize, to: usize) -> bool {
        !self.cut.contains(&(from, to))
    }

    /// How late bytes come; `dice` is below 100.
    pub(super) fn delay(&self, from: usize, dice: u32) -> Duration {
        let weather = self.weather.get(&from).copied().unwrap_or_default();
        match dice < weather.lost_percent {
            true => weather.delay + RETRANSMISSION,
            false => weather.delay,
        }
    }

    /// How long the receiver is busy with so many bytes.
    pub(super) fn busy(&self, to: usize, bytes: usize) -> Duration {
        match self.width.get(&to).copied().unwrap_or_default() {
            0 => Duration::ZERO,
            width => Duration::from_micros(bytes as u64 * 1_000_000 / width),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_cut_in_one_direction() {
        let mut rules = Rules::default();
        rules.set_reach(0, 1, false);
        assert!(!rules.is_open(0, 1));
        assert!(rules.is_open(1, 0));
        rules.set_reach(0, 1, true);
        assert!(rules.is_open(0, 1));
    }

    #[test]
    fn the_unlucky_wait_for_a_retransmission() {
        let mut rules = Rules::default();
        assert_eq!(rules.delay(0, 0), Duration::ZERO);
        let delay = Duration::from_millis(10);
        rules.set_weather(
            0,
            Weather {
                delay,
                lost_percent: 5,
            },
        );
        assert_eq!(rules.delay(0, 4), delay + RETRANSMISSION);
        assert_eq!(rules.delay(0, 5), delay);
        assert_eq!(rules.delay(1, 0), Duration::ZERO);
    }

    #[test]
    fn narrow_links_take_their_time() {
        let mut rules = Rules::default();
        rules.set_width(1, 1000);
        assert_eq!(rules.busy(1, 500), Duration::from_millis(500));
        assert_eq!(rules.busy(0, 500), Duration::ZERO);
    }
}

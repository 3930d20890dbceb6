//! Whose turn it is.

use std::cell::Cell;

use super::Endpoint;

/// The endpoints, and which of them can be reached.
#[derive(Debug)]
pub(super) struct Remotes {
    remotes: Vec<Remote>,
    turns: Cell<usize>,
}

#[derive(Debug)]
struct Remote {
    endpoint: Endpoint,
    active: Cell<bool>,
}

impl Remotes {
    pub(super) fn new(endpoints: Vec<Endpoint>) -> Self {
        let remote = |endpoint| Remote {
            endpoint,
            active: Cell::new(true),
        };
        Self {
            remotes: endpoints.into_iter().map(remote).collect(),
            turns: Cell::new(0),
        }
    }

    pub(super) fn endpoint(&self, at: usize) -> &Endpoint {
        &self.remotes[at].endpoint
    }

    pub(super) fn is_active(&self, at: usize) -> bool {
        self.remotes[at].active.get()
    }

    /// Notes whether an endpoint can be reached; whether that is new.
    pub(super) fn set_active(&self, at: usize, active: bool) -> bool {
        self.remotes[at].active.replace(active) != active
    }

    /// Those that were set aside.
    pub(super) fn inactive(&self) -> Vec<usize> {
        let all = 0..self.remotes.len();
        all.filter(|&at| !self.is_active(at)).collect()
    }

    /// In which order a connection tries them: those that can be reached first, those of a lower
    /// priority first, and among equals the one whose turn it is.
    pub(super) fn order(&self) -> Vec<usize> {
        let turn = self.turns.get();
        self.turns.set(turn.wrapping_add(1));
        let count = self.remotes.len();
        let mut order: Vec<(bool, u16, u64, usize)> = (0..count)
            .map(|step| {
                let at = turn.wrapping_add(step) % count;
                let Remote { endpoint, active } = &self.remotes[at];
                let luck = luck(endpoint.weight(), step);
                (!active.get(), endpoint.priority(), luck, at)
            })
            .collect();
        order.sort_by_key(|(inactive, priority, luck, _)| (*inactive, *priority, *luck));
        order.into_iter().map(|(.., at)| at).collect()
    }
}

/// A rank among equals: without weights the place in the round, with weights a draw in which an
/// endpoint comes first as often as its weight says.
fn luck(weight: u16, step: usize) -> u64 {
    if weight == 0 {
        // Behind everybody who has a weight.
        return (u64::MAX >> 1) + step as u64;
    }
    let mut random = [0; 4];
    // Without randomness the round alone decides.
    let _ = getrandom::fill(&mut random);
    let uniform = (f64::from(u32::from_le_bytes(random)) + 1.0) / (f64::from(u32::MAX) + 2.0);
    // The least of exponential draws belongs to each by its weight.
    let draw = -uniform.ln() / f64::from(weight);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let scaled = (draw * 1e12) as u64;
    scaled.min(u64::MAX >> 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remotes(ranks: &[(u16, u16)]) -> Remotes {
        let endpoints = ranks.iter().enumerate().map(|(at, (priority, weight))| {
            let text = format!("127.0.0.1:{}", at + 1);
            Endpoint::ranked(&text, false, *priority, *weight).unwrap()
        });
        Remotes::new(endpoints.collect())
    }

    /// Without this one member would carry all connections.
    #[test]
    fn a_round() {
        let remotes = remotes(&[(0, 0), (0, 0), (0, 0)]);
        let firsts: Vec<_> = (0..4).map(|_| remotes.order()[0]).collect();
        assert_eq!(firsts, [0, 1, 2, 0]);
        assert!(remotes.set_active(1, false));
        assert!(!remotes.set_active(1, false));
        assert_eq!(remotes.inactive(), [1]);
        for _ in 0..6 {
            assert_eq!(remotes.order().pop(), Some(1), "the last resort");
        }
    }

    #[test]
    fn priorities_and_weights() {
        let remotes = remotes(&[(2, 0), (1, 30), (1, 10), (1, 0)]);
        let mut firsts = [0; 4];
        for _ in 0..4000 {
            let order = remotes.order();
            firsts[order[0]] += 1;
            assert_eq!(order[2..], [3, 0]);
        }
        assert!((2600..3400).contains(&firsts[1]), "{firsts:?}");
        remotes.set_active(1, false);
        remotes.set_active(2, false);
        remotes.set_active(3, false);
        assert_eq!(remotes.order()[0], 0);
    }
}
